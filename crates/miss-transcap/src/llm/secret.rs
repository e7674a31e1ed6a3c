//! The key and the address it may be sent to.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::request::Endpoint;

/// Longest key, in bytes.
const LONGEST: u64 = 8 * 1024;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// Not an address.
    #[error("base_url: {0}; it must be like http://localhost:8000/v1")]
    Url(String),
    /// The address holds a name or password.
    #[error("base_url holds a user name or password; give the key by key_env or key_file")]
    Credentials,
    /// The key would travel unencrypted.
    #[error("the key would be sent to {0} over plain http; use https, or set allow_plain_http")]
    PlainHttp(String),
    /// Two places for one key.
    #[error("both key_env and key_file are given; keep one")]
    TwoKeys,
    /// The variable is not set, or is not text.
    #[error("the environment variable {0} holds no key; set it")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("key file {path:?}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The key is empty, too long, or more than one line of printable ASCII.
    #[error("{0}: a key is one line of printable ASCII of at most {LONGEST} bytes")]
    Key(String),
    /// A limit that lets nothing through.
    #[error("{0} is 0, which lets nothing through; raise it or leave it out")]
    Zero(&'static str),
    /// TLS or the HTTP client could not be set up.
    #[error("HTTP client: {0}")]
    Http(String),
}

/// The key. It shows itself to no formatter, and [`Secret::scrub`] takes it out of what others wrote.
#[derive(Clone, Debug)]
pub(crate) struct Secret(SecretString);

impl Secret {
    /// The endpoint's key, if it names one.
    pub(crate) fn of(endpoint: &Endpoint) -> Result<Option<Self>, SetUpError> {
        let (text, place) = match (&endpoint.key_env, &endpoint.key_file) {
            (Some(_), Some(_)) => return Err(SetUpError::TwoKeys),
            (None, None) => return Ok(None),
            (Some(name), None) => {
                let value = std::env::var(name);
                let value = value.map_err(|_| SetUpError::NoVariable(name.clone()))?;
                (value, name.clone())
            }
            (None, Some(path)) => (read(path)?, path.display().to_string()),
        };
        let key = text.trim();
        let printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() as u64 > LONGEST || !printable {
            return Err(SetUpError::Key(place));
        }
        Ok(Some(Self(key.to_owned().into())))
    }

    /// The key itself, for the header only.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text without the key: servers echo it in their errors.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(self.expose(), "[key]")
    }
}

fn read(path: &Path) -> Result<String, SetUpError> {
    let wrong = |source| SetUpError::File {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(wrong)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(wrong)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(file = %path.display(), "others can read the key file; chmod 600 it");
        }
    }
    let mut text = String::new();
    file.take(LONGEST + 2)
        .read_to_string(&mut text)
        .map_err(wrong)?;
    Ok(text)
}

/// The base address, if the key may be sent there. Messages never repeat it: a password may be in it.
pub(crate) fn base(endpoint: &Endpoint, has_key: bool) -> Result<Url, SetUpError> {
    let url = Url::parse(&endpoint.base_url).map_err(|error| SetUpError::Url(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetUpError::Credentials);
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(SetUpError::Url("neither http nor https".into()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetUpError::Url("it has a query or a fragment".into()));
    }
    if url.host().is_none() {
        return Err(SetUpError::Url("it has no host".into()));
    }
    if has_key && url.scheme() == "http" && !is_loopback(&url) && !endpoint.allow_plain_http {
        return Err(SetUpError::PlainHttp(
            url.host_str().unwrap_or_default().into(),
        ));
    }
    Ok(url)
}

/// Whether the address is of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint {
            base_url: url.into(),
            key_env: None,
            key_file: None,
            azure_api_version: None,
            allow_plain_http: false,
        }
    }

    #[test]
    fn a_key_goes_only_where_it_is_safe() {
        for good in [
            "https://a.example/v1",
            "http://localhost:1/v1",
            "http://127.9.9.9/v1",
            "http://[::1]:80/v1",
        ] {
            assert!(base(&endpoint(good), true).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/v1",
            "http://10.0.0.1/v1",
            "http://localhost.a.example/v1",
            "http://[2001:db8::1]/v1",
            "ftp://localhost/v1",
            "https://u:p@a.example/v1",
            "http://127.0.0.1@a.example/v1",
            "https://a.example/v1?key=1",
            "/v1",
        ] {
            assert!(base(&endpoint(bad), true).is_err(), "{bad}");
        }
        assert!(base(&endpoint("http://10.0.0.1/v1"), false).is_ok());
        let mut plain = endpoint("http://10.0.0.1/v1");
        plain.allow_plain_http = true;
        assert!(base(&plain, true).is_ok());
        let told = base(&endpoint("https://u:hunter2@a.example"), true)
            .unwrap_err()
            .to_string();
        assert!(!told.contains("hunter2"));
    }

    #[test]
    fn keys_are_one_line_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut with = endpoint("https://a.example/v1");
        with.key_file = Some(path.clone());
        std::fs::write(&path, " sk-test-1234\n").unwrap();
        let key = Secret::of(&with).unwrap().unwrap();
        assert_eq!(key.expose(), "sk-test-1234");
        assert!(!format!("{key:?}").contains("1234"));
        assert_eq!(key.scrub("bad key sk-test-1234!"), "bad key [key]!");
        for bad in ["", "\n", "a\nb", "a b", "ü", &"x".repeat(9_000)] {
            std::fs::write(&path, bad).unwrap();
            assert!(
                matches!(Secret::of(&with), Err(SetUpError::Key(_))),
                "{bad:?}"
            );
        }
        with.key_env = Some("X".into());
        assert!(matches!(Secret::of(&with), Err(SetUpError::TwoKeys)));
    }
}
