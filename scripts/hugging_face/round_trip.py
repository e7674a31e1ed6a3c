"""Checks this project's models against PyTorch and Hugging Face's transformers.

Three comparisons, all on the CPU in fp32, without a network:

- MiniLM: hidden states and sentence similarities of `BertModel` on the same file.
- DINOv2: hidden states of `Dinov2Model` on the same file, at 518 px and at 224 px.
- A random model of the base size, exported: `BlipForQuestionAnswering` opens it with nothing
  missing and gives the same states and the same answers.

Exits with 1 if anything differs. See README.md beside this file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import load_file
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BertModel,
    BlipForQuestionAnswering,
    Dinov2Config,
    Dinov2Model,
)

ROOT = Path(__file__).resolve().parents[2]
# max |x - y| / max |y| of states that two fp32 implementations compute from the same weights.
TOLERANCE = 1e-4
failures = []


def check(what, passed, detail=""):
    print(f"{'ok  ' if passed else 'FAIL'} {what} {detail}")
    if not passed:
        failures.append(what)


def close(what, ours, theirs, tolerance=TOLERANCE):
    if ours.shape != theirs.shape:
        check(what, False, f"shape {tuple(ours.shape)}, not {tuple(theirs.shape)}")
        return
    difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    check(what, difference <= tolerance, f"{difference:.1e}")


def sentence(states):
    return torch.nn.functional.normalize(states.mean(dim=1), dim=1)


def minilm(folder, sentences, states):
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    pairs = []
    for index, row in enumerate(sentences):
        for padding in (0, 3):
            ids = torch.tensor([row + [0] * padding])
            theirs = model(ids, attention_mask=(ids != 0).long()).last_hidden_state
            theirs = theirs[:, : len(row)]
            ours = states[f"minilm/{index}/{padding}"]
            close(f"MiniLM, sentence {index}, {padding} padding tokens", ours, theirs)
        pairs.append((sentence(ours), sentence(theirs)))
    ours, theirs = (torch.cat(part) for part in zip(*pairs))
    ours, theirs = ours @ ours.T, theirs @ theirs.T
    close("MiniLM, similarities", ours, theirs)
    alike, unlike = ours[0, 1].item(), ours[0, 2].item()
    check("MiniLM, a paraphrase is nearer", alike > unlike + 0.3, f"{alike:.3f} > {unlike:.3f}")


def dinov2(folder, states):
    config = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        image_size=518,
        patch_size=14,
        use_mask_token=False,
    )
    model = Dinov2Model(config).eval()
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    for size in (518, 224):
        theirs = model(states[f"dinov2/{size}/image"]).last_hidden_state
        close(f"DINOv2 at {size} px", states[f"dinov2/{size}/states"], theirs)


def blip(folder, expected, states):
    model, information = BlipForQuestionAnswering.from_pretrained(
        folder, output_loading_info=True
    )
    model = model.eval()
    # The second name of the vocabulary's bias, which transformers ties itself.
    missing = set(information["missing_keys"]) - {"text_decoder.cls.predictions.decoder.bias"}
    for kind in ("unexpected_keys", "mismatched_keys", "error_msgs"):
        check(f"BLIP, no {kind}", not information[kind], str(information[kind])[:200])
    check("BLIP, no missing_keys", not missing, str(missing)[:200])

    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = expected["special"]
    ids = tokenizer.convert_tokens_to_ids(["[DEC]", "[ENC]", "[SEP]"])
    wanted = [special["decoder"], special["encoder"], special["separator"]]
    check("BLIP, the tokenizer knows the special tokens", ids == wanted, str(ids))
    ids = tokenizer("Is the liver enlarged in this CT scan?").input_ids
    check("BLIP, the tokenizer gives our ids", ids == expected["sentences"][0], str(ids))
    processor = AutoImageProcessor.from_pretrained(folder)
    size = model.config.vision_config.image_size
    check("BLIP, the image processor's size", processor.size["height"] == size, str(size))

    images = states["blip/images"]
    theirs = model.vision_model(images).last_hidden_state
    close("BLIP, image states", states["blip/image_states"], theirs)
    for case in expected["answers"]:
        # The model expects [ENC] in front of a question; transformers does not put it there.
        rows = [[special["encoder"]] + expected["sentences"][row][1:] for row in case["batch"]]
        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = (ids != 0).long()
        name = "-".join(str(row) for row in case["batch"])
        what = f"BLIP, questions {name}"
        if case["beams"] == 1:
            hidden = model.text_encoder(
                input_ids=ids,
                attention_mask=mask,
                encoder_hidden_states=theirs[case["batch"]],
            ).last_hidden_state
            close(f"{what}, states", states[f"blip/question_states/{name}"], hidden)
        answers = model.generate(
            input_ids=ids,
            attention_mask=mask,
            pixel_values=images[case["batch"]],
            num_beams=case["beams"],
            max_length=10,
            min_length=1,
            do_sample=False,
        )
        tokens = []
        for row in answers.tolist():
            row = row[1:]
            end = row.index(special["separator"]) if special["separator"] in row else len(row)
            tokens.append(row[:end])
        what = f"{what}, answers with {case['beams']} beams ({sum(case['ended'])} ended)"
        check(what, tokens == case["tokens"], f"{tokens} and ours {case['tokens']}")

    # What Hugging Face's default epsilon would do to a model that was trained with 1e-6.
    for module in model.vision_model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-5
    other = model.vision_model(images).last_hidden_state
    difference = ((other - theirs).abs().max() / theirs.abs().max()).item()
    print(f"     for comparison: with an epsilon of 1e-5 image states differ by {difference:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path, help="folder of all-minilm-l6-v2 and dinov2-small")
    parser.add_argument("--out", type=Path, help="keep the Rust side's files here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        # The whole workspace, so that its build serves and nothing is compiled in another way.
        build = ["cargo", "build", "--quiet", "--workspace", "--example", "export_random"]
        subprocess.run(build, cwd=ROOT, check=True)
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        program = ROOT / target / "debug" / "examples" / "export_random"
        subprocess.run([program, arguments.weights.resolve(), out.resolve()], check=True)
        expected = json.loads((out / "answers.json").read_text())
        states = load_file(out / "states.safetensors")
        with torch.inference_mode():
            minilm(arguments.weights / "all-minilm-l6-v2", expected["sentences"], states)
            dinov2(arguments.weights / "dinov2-small", states)
            blip(out / "blip", expected, states)
    if failures:
        sys.exit(f"{len(failures)} comparisons failed")
    print("everything agrees")


if __name__ == "__main__":
    main()
