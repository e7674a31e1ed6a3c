//! HTTP: ranges, redirects, and what an answer means.

use std::time::Duration;

use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, Error};

use super::transfer::{Opened, Stop};

/// Longest wait that a server may ask for.
const MAX_WAIT: Duration = Duration::from_secs(120);

const MAX_REDIRECTS: usize = 8;
/// Silence after which a connection is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Whom servers are asked through; proxies are the environment's.
pub(super) struct Client(Agent);

/// A file's bytes, and what names their version.
pub(super) struct Answer {
    pub opened: Opened,
    pub tag: Option<String>,
}

impl Client {
    pub(super) fn new() -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed here, where one to an open connection can be refused.
            .max_redirects(0)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("miss-data/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(agent.new_agent())
    }

    /// The bytes from `start` on of the file at `url`, or all of them if the server has another
    /// version than `tag` or gives no parts.
    pub(super) fn get(&self, url: &str, start: u64, tag: Option<&str>) -> Result<Answer, Stop> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(&url, start, tag)?;
            let status = answer.status().as_u16();
            match status {
                200 => return Ok(whole(answer)),
                206 => return rest(answer, start, tag),
                301 | 302 | 303 | 307 | 308 => {
                    let place = text(answer.headers(), header::LOCATION)
                        .ok_or_else(|| Stop::Fatal("redirected to nowhere".into()))?;
                    url = redirected(&url, &place)?;
                }
                // What is here is longer than what is there: begin anew.
                416 if start > 0 => return self.get_whole(&url),
                408 | 429 | 500..=599 => return Err(busy(status, answer.headers())),
                401 | 403 => {
                    let what = format!("the server answers {status}: it may ask for an account");
                    return Err(Stop::Fatal(what));
                }
                _ => return Err(Stop::Fatal(format!("the server answers {status}"))),
            }
        }
        Err(Stop::Fatal("redirected too many times".into()))
    }

    fn get_whole(&self, url: &str) -> Result<Answer, Stop> {
        let answer = self.ask(url, 0, None)?;
        match answer.status().as_u16() {
            200 => Ok(whole(answer)),
            status => Err(Stop::Lost(format!("the server answers {status}"))),
        }
    }

    fn ask(&self, url: &str, start: u64, tag: Option<&str>) -> Result<Response<Body>, Stop> {
        // Compressed on the way, positions in the file would mean nothing.
        let mut request = self.0.get(url).header(header::ACCEPT_ENCODING, "identity");
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
            if let Some(tag) = tag {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        request.call().map_err(|error| match error {
            Error::Io(_)
            | Error::Timeout(_)
            | Error::HostNotFound
            | Error::ConnectionFailed
            | Error::Protocol(_) => Stop::Lost(format!("connection lost: {error}")),
            _ => Stop::Fatal(error.to_string()),
        })
    }
}

fn whole(answer: Response<Body>) -> Answer {
    let headers = answer.headers();
    let total = text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let plain = text(headers, header::CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    let tag = strong_tag(headers);
    Answer {
        opened: Opened {
            start: 0,
            total: total.filter(|_| plain),
            content: Box::new(answer.into_body().into_reader()),
        },
        tag,
    }
}

/// An answer that claims to be the part from `start` on.
fn rest(answer: Response<Body>, start: u64, tag: Option<&str>) -> Result<Answer, Stop> {
    let headers = answer.headers();
    let found = strong_tag(headers);
    if tag.is_some() && found.is_some() && found.as_deref() != tag {
        return Err(Stop::Fatal("the file changed while it was brought".into()));
    }
    let range = text(headers, header::CONTENT_RANGE)
        .and_then(|range| parsed_range(&range))
        .filter(|(first, _)| *first == start && start > 0);
    let Some((start, total)) = range else {
        return Err(Stop::Fatal("another part came than was asked for".into()));
    };
    Ok(Answer {
        opened: Opened {
            start,
            total,
            content: Box::new(answer.into_body().into_reader()),
        },
        tag: found,
    })
}

/// Another try is worth while, no sooner than the server asks for. It may ask in seconds; a date is not understood, and
/// then the pause between tries has to do.
fn busy(status: u16, headers: &HeaderMap) -> Stop {
    let what = format!("the server answers {status}");
    let asked = text(headers, header::RETRY_AFTER).and_then(|wait| wait.trim().parse().ok());
    match asked.map(Duration::from_secs) {
        Some(wait) if wait > MAX_WAIT => Stop::Fatal(format!(
            "{what} and wants to be left alone for {} seconds: fetch again then",
            wait.as_secs()
        )),
        Some(wait) => Stop::Busy(what, wait),
        None => Stop::Lost(what),
    }
}

/// First position and size of the whole in `bytes 5-9/10`.
fn parsed_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (positions, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = positions.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// A weak tag names no bytes.
fn strong_tag(headers: &HeaderMap) -> Option<String> {
    text(headers, header::ETAG).filter(|tag| tag.starts_with('"'))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Where a redirect from `url` to `place` leads.
fn redirected(url: &str, place: &str) -> Result<String, Stop> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| Stop::Fatal(format!("{url} is no address")))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let next = if place.starts_with("http://") || place.starts_with("https://") {
        place.to_owned()
    } else if place.starts_with("//") {
        format!("{scheme}:{place}")
    } else if place.starts_with('/') {
        format!("{scheme}://{host}{place}")
    } else if place.contains("://") {
        return Err(Stop::Fatal(format!(
            "redirected to {place}, which is not HTTP"
        )));
    } else {
        let path = rest.split(['?', '#']).next().unwrap_or(rest);
        let folder = path.rfind('/').map_or(host, |end| &path[..end]);
        format!("{scheme}://{folder}/{place}")
    };
    if scheme == "https" && !next.starts_with("https://") {
        return Err(Stop::Fatal(format!(
            "redirected from https to {next}: refused, anybody on the way could change it"
        )));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn redirects_lead_where_rfc_3986_says() {
        // From the examples of RFC 3986, section 5.4, as far as servers use them.
        let base = "http://a/b/c/d;p?q";
        for (place, expected) in [
            ("g", "http://a/b/c/g"),
            ("g?y", "http://a/b/c/g?y"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("https://g/h", "https://g/h"),
        ] {
            assert_eq!(redirected(base, place).ok().unwrap(), expected);
        }
        assert_eq!(redirected("http://a", "g").ok().unwrap(), "http://a/g");
        for place in ["http://a/b", "ftp://a/b", "file:///etc/passwd"] {
            assert!(redirected("https://a/b", place).is_err(), "{place}");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(parsed_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parsed_range("bytes 5-9/*"), Some((5, None)));
        for range in ["bytes */10", "items 5-9/10", "bytes -5-9/10", ""] {
            assert_eq!(parsed_range(range), None, "{range}");
        }
    }
}
