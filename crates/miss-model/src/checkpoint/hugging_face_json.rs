//! The files beside the weights of an export.

use serde_json::{Value, json};

use crate::config::ModelConfig;
use crate::tokens::SpecialTokens;

/// Per-channel mean and standard deviation of the images that BLIP's models see.
const IMAGE_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const IMAGE_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

/// `config.json` of a `BlipForQuestionAnswering`.
pub(super) fn model(config: &ModelConfig, image_size: usize, special: &SpecialTokens) -> Value {
    let (image, text) = (&config.image, &config.text);
    json!({
        "architectures": ["BlipForQuestionAnswering"],
        "model_type": "blip",
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "image_text_hidden_size": config.projection,
        "projection_dim": config.projection,
        "torch_dtype": "float32",
        "tie_word_embeddings": false,
        "text_config": {
            "model_type": "blip_text_model",
            "vocab_size": text.vocabulary,
            "hidden_size": text.width,
            "encoder_hidden_size": image.width,
            "intermediate_size": text.feed_forward,
            "num_hidden_layers": text.depth,
            "num_attention_heads": text.heads,
            "max_position_embeddings": text.positions,
            "projection_dim": config.projection,
            "hidden_act": "gelu",
            "hidden_dropout_prob": text.dropout,
            "attention_probs_dropout_prob": text.dropout,
            "layer_norm_eps": text.layer_norm_epsilon,
            "is_decoder": true,
            "bos_token_id": special.decoder,
            "eos_token_id": special.separator,
            "sep_token_id": special.separator,
            "pad_token_id": special.padding,
        },
        "vision_config": {
            "model_type": "blip_vision_model",
            "hidden_size": image.width,
            "intermediate_size": image.feed_forward,
            "num_hidden_layers": image.depth,
            "num_attention_heads": image.heads,
            "image_size": image_size,
            "patch_size": image.patch,
            "hidden_act": "gelu",
            "attention_dropout": 0.0,
            "layer_norm_eps": image.layer_norm_epsilon,
        },
    })
}

/// `tokenizer_config.json`: BERT's, with the two tokens that BLIP adds.
pub(super) fn tokenizer() -> Value {
    json!({
        "tokenizer_class": "BertTokenizerFast",
        "do_lower_case": true,
        "model_max_length": 512,
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
        "bos_token": "[DEC]",
        "additional_special_tokens": ["[ENC]"],
    })
}

/// `preprocessor_config.json`: a bicubic stretch to a square, then BLIP's normalisation.
pub(super) fn preprocessor(image_size: usize) -> Value {
    json!({
        "image_processor_type": "BlipImageProcessor",
        "processor_class": "BlipProcessor",
        "do_convert_rgb": true,
        "do_resize": true,
        "size": { "height": image_size, "width": image_size },
        "resample": 3,
        "do_rescale": true,
        "rescale_factor": 1.0 / 255.0,
        "do_normalize": true,
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
    })
}
