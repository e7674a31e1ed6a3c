//! Text to token ids and back: the uncased BERT vocabulary with MISS's two extra tokens.

use std::iter::repeat_n;

use rayon::prelude::*;
use thiserror::Error;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, DecoderWrapper, Model, TokenizerBuilder, TokenizerImpl};

/// Fills a row of a batch up to the longest.
pub const PAD: u32 = 0;
/// A word that has no pieces in the vocabulary.
pub const UNK: u32 = 100;
/// First position of every encoded text.
pub const CLS: u32 = 101;
/// Last position of every encoded text; ends a generated answer.
pub const SEP: u32 = 102;
/// A masked piece.
pub const MASK: u32 = 103;
/// First position of what the decoder reads.
pub const DEC: u32 = 30522;
/// First position of what the joint encoder reads with an image.
pub const ENC: u32 = 30523;
/// Bytes of a text that are tokenised at most. The longest captions have some thousand; tokenising
/// needs a few microseconds for each byte of a hostile text.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// Ids are below this.
pub const VOCABULARY: usize = 30524;

/// One token a line, its id the line number from 0.
const VOCABULARY_FILE: &[u8] = include_bytes!("../assets/bert-base-uncased-vocab.txt");
const SPECIAL: [(&str, u32); 7] = [
    ("[PAD]", PAD),
    ("[UNK]", UNK),
    ("[CLS]", CLS),
    ("[SEP]", SEP),
    ("[MASK]", MASK),
    ("[DEC]", DEC),
    ("[ENC]", ENC),
];
/// `[CLS]` and `[SEP]`.
const MIN_LENGTH: usize = 2;

type Bert =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, DecoderWrapper>;

/// WordPiece over the uncased BERT vocabulary.
pub struct Tokenizer {
    bert: Bert,
}

/// Why a text could not be tokenised.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The shipped vocabulary is not the one this code was written for.
    #[error("the shipped vocabulary is damaged: {what}; check out crates/miss-data/assets again")]
    Vocabulary {
        /// What is wrong with it.
        what: String,
    },
    /// A length that does not hold the first and the last token.
    #[error(
        "a text of at most {max_length} tokens: at least {MIN_LENGTH} are needed, for [CLS] and [SEP]"
    )]
    MaxLength {
        /// The length asked for.
        max_length: usize,
    },
    /// Not a question, an answer or a caption.
    #[error(
        "a text of {bytes} bytes, more than the {MAX_TEXT_BYTES} allowed: shorten it; it begins {start:?}"
    )]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// How it begins.
        start: String,
    },
    /// The tokenizer failed.
    #[error("cannot tokenise {text:?}: {source}")]
    Encode {
        /// The text.
        text: String,
        /// What the tokenizer said.
        source: tokenizers::Error,
    },
}

impl Tokenizer {
    /// The tokenizer over the shipped vocabulary.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::Vocabulary`] if the shipped file was changed.
    pub fn new() -> Result<Self, TokenizerError> {
        build().map(|bert| Self { bert })
    }

    /// `[CLS] pieces [SEP]`. Lower case, no accents, Chinese characters apart; a word of more than
    /// 100 characters is `[UNK]`. A special token written in the text, such as `[SEP]`, is that
    /// token. Beyond `max_length` the last pieces are dropped and `[SEP]` stays last.
    ///
    /// # Errors
    ///
    /// [`TokenizerError::MaxLength`] if `max_length` is below 2, [`TokenizerError::TooLong`] beyond
    /// [`MAX_TEXT_BYTES`].
    pub fn encode(
        &self,
        text: &str,
        max_length: Option<usize>,
    ) -> Result<Vec<u32>, TokenizerError> {
        if let Some(max_length) = max_length.filter(|&length| length < MIN_LENGTH) {
            return Err(TokenizerError::MaxLength { max_length });
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenizerError::TooLong {
                bytes: text.len(),
                start: text.chars().take(40).collect(),
            });
        }
        let encoded =
            self.bert
                .encode_fast(text, false)
                .map_err(|source| TokenizerError::Encode {
                    text: text.into(),
                    source,
                })?;
        let pieces = encoded.get_ids();
        let kept = max_length.map_or(pieces.len(), |length| pieces.len().min(length - MIN_LENGTH));
        let mut ids = Vec::with_capacity(kept + MIN_LENGTH);
        ids.push(CLS);
        ids.extend_from_slice(&pieces[..kept]);
        ids.push(SEP);
        Ok(ids)
    }

    /// The ids of many texts, as [`encode`](Self::encode) gives them, on all threads of the global
    /// pool. What does not change from epoch to epoch is best tokenised once, before the first.
    ///
    /// # Errors
    ///
    /// [`TokenizerError`] of the first text that cannot be tokenised.
    pub fn encode_all<Text: AsRef<str> + Sync>(
        &self,
        texts: &[Text],
        max_length: Option<usize>,
    ) -> Result<Vec<Vec<u32>>, TokenizerError> {
        let encoded: Vec<_> = texts
            .par_iter()
            .map(|text| self.encode(text.as_ref(), max_length))
            .collect();
        // In order, so that the same error is told whichever thread was first.
        encoded.into_iter().collect()
    }

    /// The text of generated ids. Special tokens and ids outside the vocabulary are dropped, pieces
    /// joined, and the spaces that tokenising put before punctuation and English contractions taken
    /// back, as the reference does.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let pieces: Vec<String> = ids
            .iter()
            .filter(|&&id| SPECIAL.iter().all(|&(_, special)| special != id))
            .filter_map(|&id| self.bert.id_to_token(id))
            .collect();
        let mut text = pieces.join(" ").replace(" ##", "").trim().to_owned();
        // In the reference's order: an apostrophe between two spaces is joined before the
        // contractions are looked at.
        for (spaced, joined) in [
            (" .", "."),
            (" ?", "?"),
            (" !", "!"),
            (" ,", ","),
            (" ' ", "'"),
            (" n't", "n't"),
            (" 'm", "'m"),
            (" 's", "'s"),
            (" 've", "'ve"),
            (" 're", "'re"),
        ] {
            text = text.replace(spaced, joined);
        }
        text
    }
}

/// Rows of ids filled up with [`PAD`] to the length of the longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padded {
    /// Length of every row.
    pub width: usize,
    /// `[rows, width]`, row after row.
    pub ids: Vec<u32>,
    /// `[rows, width]`: true where there is text, false where there is padding.
    pub mask: Vec<bool>,
}

impl Padded {
    /// Pads `rows` to the longest of them.
    #[must_use]
    pub fn longest(rows: &[Vec<u32>]) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |row: &Vec<u32>| {
            row.iter()
                .copied()
                .chain(repeat_n(PAD, width - row.len()))
                .collect::<Vec<_>>()
        };
        let mask = |row: &Vec<u32>| {
            (0..width)
                .map(|position| position < row.len())
                .collect::<Vec<_>>()
        };
        Self {
            width,
            ids: rows.iter().flat_map(padded).collect(),
            mask: rows.iter().flat_map(mask).collect(),
        }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The vocabulary would fill thousands of lines.
        formatter
            .debug_struct("Tokenizer")
            .field("vocabulary", &VOCABULARY)
            .finish()
    }
}

fn build() -> Result<Bert, TokenizerError> {
    let damaged = |what: String| TokenizerError::Vocabulary { what };
    let vocabulary =
        WordPiece::read_bytes(VOCABULARY_FILE).map_err(|source| damaged(source.to_string()))?;
    let model = WordPiece::builder()
        .vocab(vocabulary)
        .unk_token("[UNK]".into())
        .continuing_subword_prefix("##".into())
        .max_input_chars_per_word(100)
        .build()
        .map_err(|source| damaged(source.to_string()))?;
    if model.get_vocab_size() != DEC as usize {
        return Err(damaged(format!(
            "{} tokens instead of {DEC}",
            model.get_vocab_size()
        )));
    }
    let mut bert: Bert = TokenizerBuilder::new()
        .with_model(model)
        .with_normalizer(Some(BertNormalizer::new(true, true, Some(true), true)))
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(None)
        .with_decoder(None)
        .build()
        .map_err(|source| damaged(source.to_string()))?;
    bert.add_special_tokens(SPECIAL.map(|(token, _)| AddedToken::from(token, true)))
        .map_err(|source| damaged(source.to_string()))?;
    for (token, id) in SPECIAL {
        if bert.token_to_id(token) != Some(id) {
            return Err(damaged(format!("{token} is not {id}")));
        }
    }
    Ok(bert)
}
