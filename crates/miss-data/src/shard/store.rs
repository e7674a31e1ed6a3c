//! Shards in an object store. The store's client is asynchronous; a small runtime drives it, a
//! request at a time on the thread that asks.

use std::io;
use std::ops::Range;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, parse_url_opts};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::source::{cut_off, within};

/// Only variables of these names say how to reach a store; the client would take `TOKEN` or
/// `ENDPOINT` as well, whoever they are meant for.
const PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

pub(super) struct Store {
    store: Box<dyn ObjectStore>,
    folder: Path,
    location: String,
    runtime: Runtime,
}

impl Store {
    pub(super) fn new(location: &str) -> io::Result<Self> {
        // The client looks for one when it is built; it does not matter who was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
        let url = Url::parse(location).map_err(|error| invalid(error.to_string()))?;
        let options = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            ours.then_some((name, value))
        });
        let (store, folder) =
            parse_url_opts(&url, options).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            store,
            folder,
            location: location.trim_end_matches('/').into(),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    pub(super) fn place(&self, file: &str) -> String {
        format!("{}/{file}", self.location)
    }

    pub(super) fn small(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        let path = self.path(file);
        self.runtime.block_on(async {
            let found = self.store.get(&path).await?;
            if found.meta.size > limit {
                let message = format!("it has more than the {limit} bytes allowed");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            within(found.bytes().await?.to_vec(), limit)
        })
    }

    pub(super) fn range(&self, file: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        let wanted = range.end - range.start;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let path = self.path(file);
        let bytes = self
            .runtime
            .block_on(self.store.get_range(&path, range))?
            .to_vec();
        // A store answers with less where the object ends.
        if bytes.len() as u64 != wanted {
            return Err(cut_off(bytes.len() as u64, wanted));
        }
        Ok(bytes)
    }

    fn path(&self, file: &str) -> Path {
        self.folder.clone().join(file)
    }
}
