//! Hashes of configurations and stage inputs.

use serde::Serialize;

/// SHA-256, in hex, of `value` as JSON. Structs serialise in the order of their fields, so equal values hash alike.
pub fn hash_of(value: &impl Serialize) -> String {
    let json =
        serde_json::to_vec(value).expect("numbers, text, structs and lists have a JSON form");
    miss_data::file::sha256_hex(&json)
}
