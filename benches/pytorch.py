"""The PyTorch side of the benchmark: does what `crates/miss-model/examples/bench` does, case for case.

    pytorch.py ops
    pytorch.py model FOLDER IMAGE_SIZE BATCH DROPOUT

A line of standard input names a case; the answer is a line of JSON. FOLDER is what `bench export` wrote. The model is
Hugging Face's BlipForQuestionAnswering, used as its documentation does.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

QUESTION, ANSWER, ELEVEN = 12, 5, 11
LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 2e-5, 0.05, 0.1
WIDTH, VOCABULARY = 768, 30524
DEC, ENC = 30522, 30523
SECONDS = 0.3


class Model:
    def __init__(self, folder, image_size, batch, dropout):
        from transformers import BlipConfig, BlipForQuestionAnswering

        config = BlipConfig.from_pretrained(folder)
        config.text_config.hidden_dropout_prob = float(dropout)
        config.text_config.attention_probs_dropout_prob = float(dropout)
        config.text_config.label_smoothing = LABEL_SMOOTHING
        self.model = BlipForQuestionAnswering.from_pretrained(folder, config=config).eval()
        # As in BLIP itself; Hugging Face's class holds the two apart.
        head = self.model.text_decoder.cls.predictions
        head.decoder.weight = self.model.text_decoder.bert.embeddings.word_embeddings.weight
        self.image_size, self.batch = int(image_size), int(batch)

    def case(self, name):
        operation = name.removeprefix("eleven_")
        if name.startswith("eleven_"):
            images, each = 1, ELEVEN
        else:
            images, each = (1 if name == "generate" else self.batch), 1
        pixels, questions, answers = self.pixels(images), rows(images * each, QUESTION, 7), rows(images * each, ANSWER, 11)
        questions[:, 0], answers[:, 0] = ENC, DEC
        # The class takes an image for every question.
        pixels = pixels.repeat_interleave(each, 0)
        mask = torch.ones_like(questions)
        return getattr(self, operation)(pixels, questions, mask, answers)

    def forward(self, pixels, questions, mask, answers):
        def run():
            with torch.inference_mode():
                image = self.model.vision_model(pixel_values=pixels).last_hidden_state
                states = self.model.text_encoder(
                    input_ids=questions,
                    attention_mask=mask,
                    encoder_hidden_states=image,
                    encoder_attention_mask=torch.ones(image.shape[:-1], dtype=torch.long),
                ).last_hidden_state
            return None, states[:, 0, :4].flatten().tolist()

        return run

    def loss_of(self, pixels, questions, mask, answers):
        out = self.model(
            input_ids=questions,
            pixel_values=pixels,
            attention_mask=mask,
            decoder_input_ids=answers,
            decoder_attention_mask=torch.ones_like(answers),
            labels=answers,
        )
        # The mean over tokens to the sum over the tokens of an answer.
        return out.loss * (ANSWER - 1)

    def loss(self, *batch):
        def run():
            with torch.inference_mode():
                return None, [self.loss_of(*batch).item()]

        return run

    def generate(self, pixels, questions, mask, answers):
        def run():
            tokens = self.model.generate(
                input_ids=questions, pixel_values=pixels, attention_mask=mask, num_beams=3, max_length=10, do_sample=False
            )
            return None, [[token for token in row[1:] if token not in (0, 102)] for row in tokens.tolist()]

        return run

    def train(self, *batch):
        self.model.train()
        # The trainer's default since PyTorch 2.8.
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=LEARNING_RATE, eps=1e-8, weight_decay=WEIGHT_DECAY, fused=True
        )

        def run():
            optimizer.zero_grad()
            loss = self.loss_of(*batch)
            loss.backward()
            optimizer.step()
            return None, [loss.item()]

        return run

    def pixels(self, images):
        shape = (images, 3, self.image_size, self.image_size)
        index = torch.arange(images * 3 * self.image_size**2, dtype=torch.int64)
        return ((index * 2654435761 % 2**32).float() / 2**30 - 2).reshape(shape)


def rows(count, length, factor):
    middle = lambda row: [1000 + (row * 131 + place * 17) * factor for place in range(1, length - 1)]
    return torch.tensor([[101, *middle(row), 102] for row in range(count)])


def operation(name):
    """Single operations, as in `ops.rs`."""
    train = name.endswith("_train")
    name = name.removesuffix("_train")
    normal = lambda *shape: torch.randn(shape, requires_grad=train)

    def over(x, function):
        cotangent = None

        def run():
            nonlocal cotangent
            if not train:
                with torch.inference_mode():
                    function(x)
                return None, None
            out = function(x)
            if cotangent is None:
                cotangent = torch.randn_like(out).detach()
            x.grad = None
            (out * cotangent).sum().backward()
            return None, None

        return run

    def attended(queries, keys, function):
        key, value = normal(2, 12, keys, 64), normal(2, 12, keys, 64)
        return over(normal(2, 12, queries, 64), lambda query: function(query, key, value))

    plain = lambda query, key, value: (query * 0.125 @ key.transpose(2, 3)).softmax(3) @ value
    tokens = lambda width: normal(2, 901, width)
    match name:
        case "linear":
            return over(tokens(WIDTH), torch.nn.Linear(WIDTH, 4 * WIDTH))
        case "linear_small":
            return over(normal(11, 12, WIDTH), torch.nn.Linear(WIDTH, WIDTH))
        case "attention":
            return attended(901, 901, F.scaled_dot_product_attention)
        case "attention_plain" | "attention_deferred":
            return attended(901, 901, plain)
        case "attention_cross":
            return attended(132, 901, F.scaled_dot_product_attention)
        case "attention_text":
            return attended(12, 12, F.scaled_dot_product_attention)
        case "softmax":
            return over(normal(24, 901, 901), lambda x: x.softmax(2))
        case "gelu":
            return over(tokens(4 * WIDTH), F.gelu)
        case "layer_norm":
            return over(tokens(WIDTH), torch.nn.LayerNorm(WIDTH))
        case "add":
            other = tokens(WIDTH)
            return over(tokens(WIDTH), lambda x: x + other)
        case "split_heads":
            part = lambda x: x.reshape(2, 901, 3, 12, 64).permute(2, 0, 3, 1, 4)[1]
            return over(tokens(3 * WIDTH), lambda x: part(x).transpose(1, 2).reshape(2, 901, WIDTH).contiguous())
        case "embedding":
            embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
            ids = (torch.arange(11 * 12) * 97 % 30000).reshape(11, 12)
            # The output's gradient reaches the weight only.
            return over(normal(1), lambda x: (setattr(embedding.weight, "grad", None), embedding(ids))[1])
        case "vocabulary":
            words = normal(VOCABULARY, WIDTH)
            return over(normal(44, WIDTH), lambda x: x @ words.T)
        case "log_softmax":
            return over(normal(33, VOCABULARY), lambda x: x.log_softmax(1))
        case "adamw" | "adamw_loop":
            return adamw(fused=name == "adamw")


def adamw(fused):
    layers = torch.nn.ModuleList([torch.nn.Linear(WIDTH, 4 * WIDTH) for _ in range(40)])
    optimizer = torch.optim.AdamW(layers.parameters(), lr=1e-4, weight_decay=0.05, fused=fused)
    x = torch.randn(1, WIDTH)

    def run():
        optimizer.zero_grad()
        torch.cat([layer(x) for layer in layers]).sum().backward()
        start = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - start, None

    return run


def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1])


def measure(case):
    runs, output, begin = [], None, time.perf_counter()
    while not runs or time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        part, out = case()
        runs.append(part or time.perf_counter() - start)
        output = output or out
    return sorted(runs)[len(runs) // 2], output


def main():
    torch.manual_seed(0)
    command, *rest = sys.argv[1:]
    make = operation if command == "ops" else Model(*rest).case
    cases = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in cases:
            cases[name] = make(name)
            # From here on the peak is that of the case, not of reading the weights.
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        seconds, output = measure(cases[name])
        print(json.dumps({"seconds": seconds, "output": output, "peak_kib": peak()}), flush=True)


main()
