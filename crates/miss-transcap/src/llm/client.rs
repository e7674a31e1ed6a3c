//! Sending a request: within the limits, with retries where they can help.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;

use super::answer::{Answer, Failure};
use super::limits::{Gate, Limits};
use super::request::{Endpoint, Key, Request};
use super::secret::{Secret, SetUpError, base, is_loopback};
use super::wire::{self, Asked, Body};

/// A larger body is no answer to what is asked here.
const MAX_BODY: usize = 4 << 20;
/// Text told of a server's error, in characters.
const TOLD: usize = 300;

/// A client of one server. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    http: reqwest::Client,
    base: Url,
    azure_api_version: Option<String>,
    secret: Option<Secret>,
    limits: Limits,
    gate: Gate,
    places: Semaphore,
}

/// What came of one attempt.
pub(crate) type Attempt<T> = Result<T, Missed>;

/// Why an attempt came to nothing.
pub(crate) enum Missed {
    /// Trying again cannot help.
    Failed(Failure),
    /// It can, after at least so long.
    Again(Failure, Option<Duration>),
}

impl From<Missed> for Failure {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Failed(failure) | Missed::Again(failure, _) => failure,
        }
    }
}

impl Client {
    /// A client of `endpoint`. The key is read now; nothing is sent.
    ///
    /// # Errors
    /// [`SetUpError`]: an address or key that cannot be used, or a limit of nothing.
    pub fn new(endpoint: &Endpoint, limits: &Limits) -> Result<Self, SetUpError> {
        let zero = [
            ("requests_per_minute", limits.requests_per_minute == Some(0)),
            ("tokens_per_minute", limits.tokens_per_minute == Some(0)),
            ("concurrency", limits.concurrency == 0),
            ("attempts", limits.attempts == 0),
            ("timeout_seconds", limits.timeout_seconds == 0),
            ("read_timeout_seconds", limits.read_timeout_seconds == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(SetUpError::Zero(name));
        }
        let secret = Secret::of(endpoint)?;
        let base = base(endpoint, secret.is_some())?;
        let mut headers = HeaderMap::new();
        if let Some(secret) = &secret {
            let (name, value) = match endpoint.azure_api_version {
                Some(_) => (
                    HeaderName::from_static("api-key"),
                    secret.expose().to_owned(),
                ),
                None => (
                    reqwest::header::AUTHORIZATION,
                    format!("Bearer {}", secret.expose()),
                ),
            };
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| SetUpError::Key("the key".into()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut http = reqwest::Client::builder();
        if is_loopback(&base) {
            // A proxy of the environment would get the key unencrypted.
            http = http.no_proxy();
        }
        let http = http
            .tls_backend_preconfigured(tls(&base)?)
            // A redirect could carry key and request elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            // Retries are counted and paced here.
            .retry(reqwest::retry::never())
            .default_headers(headers)
            .user_agent(concat!("miss-transcap/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(limits.timeout_seconds.min(30)))
            // Servers that close idle connections after 5 s are common.
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(|error| SetUpError::Http(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                base,
                azure_api_version: endpoint.azure_api_version.clone(),
                secret,
                gate: Gate::new(limits),
                places: Semaphore::new(limits.concurrency as usize),
                limits: limits.clone(),
            }),
        })
    }

    /// Sends a request until there is an answer or trying again cannot help.
    ///
    /// Retried, with exponential back-off and full jitter: connections that fail or break, time-outs, the statuses
    /// 408, 409, 425, 429, 500, 502, 503, 504 and 529, and bodies with status 200 that are no chat response. Such a
    /// body may have been paid for; all attempts carry [`Request::key`] as `Idempotency-Key`, by which a server that
    /// knows it answers again without a second bill. A 429 stops all requests of the client for as long as the server
    /// says. An answer that is not usable ([`Answer::captions`]) is an answer here.
    ///
    /// # Errors
    /// [`Failure::Status`], [`Failure::Quota`] or [`Failure::Transport`].
    pub async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let (body, key, tokens) = (&request.body(), &request.key(), estimate(request));
        self.repeat(&key.0, tokens, || {
            self.chat(request, body, Some(key), tokens)
        })
        .await
    }

    /// One attempt at a chat: `body`, to be read as an answer to `request`.
    async fn chat(
        &self,
        request: &Request,
        body: &Value,
        key: Option<&Key>,
        tokens: u64,
    ) -> Attempt<Answer> {
        let (status, headers, bytes) = match self
            .exchange(Method::POST, "chat/completions", Some(body), key)
            .await
        {
            Ok(exchanged) => exchanged,
            Err(failure) => return Err(Missed::Again(failure, None)),
        };
        if status != StatusCode::OK {
            return self.refused(status.as_u16(), &headers, &bytes);
        }
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            let told = wire::error_text(&bytes);
            return Err(Missed::Again(
                self.broken(&format!("the body is not JSON: {told}")),
                None,
            ));
        };
        match wire::read(&value, Asked::of(request)) {
            Body::Answer(mut answer) => {
                answer.content = self.scrub(&answer.content);
                answer.refusal = answer.refusal.map(|text| self.scrub(&text));
                answer.model = answer.model.map(|text| self.scrub(&text));
                let used = answer.usage.input + answer.usage.output;
                self.inner.gate.correct(tokens, used);
                Ok(answer)
            }
            Body::Error {
                status: Some(status),
                ..
            } => self.refused(status, &headers, &bytes),
            Body::Error {
                status: None,
                message,
            } => match self.quota(&bytes) {
                Some(failure) => Err(Missed::Failed(failure)),
                None => Err(Missed::Again(self.broken(&message), None)),
            },
            Body::Unreadable => Err(Missed::Again(
                self.broken("the body is no chat response"),
                None,
            )),
        }
    }

    /// One attempt at `body` in place of the request's own, within the limits: for a probe.
    pub(super) async fn try_chat(
        &self,
        request: &Request,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let tokens = estimate(request);
        let attempt = self.chat(request, body, None, tokens);
        self.once(tokens, attempt).await.map_err(Failure::from)
    }

    /// One attempt at reading from `path`, within the limits: for a probe.
    pub(super) async fn try_get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let attempt = self.attempt(self.builder(Method::GET, path), MAX_BODY);
        let (_, bytes) = self.once(0, attempt).await?;
        Ok(bytes)
    }

    /// [`send`](Self::send) as a run takes it.
    pub fn sender(
        &self,
    ) -> impl Fn(Request) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>> + use<>
    {
        let client = self.clone();
        move |request| {
            let client = client.clone();
            Box::pin(async move { client.send(&request).await })
        }
    }

    /// One attempt at a call that is no chat and costs no tokens; its body may have `most` bytes.
    pub(crate) async fn attempt(
        &self,
        request: reqwest::RequestBuilder,
        most: usize,
    ) -> Attempt<(HeaderMap, Vec<u8>)> {
        match self.response(request, most).await {
            Err(failure) => Err(Missed::Again(failure, None)),
            Ok((status, headers, bytes)) if status.is_success() => Ok((headers, bytes)),
            Ok((status, headers, bytes)) => self.refused(status.as_u16(), &headers, &bytes),
        }
    }

    /// An attempt in its place and within the rates.
    async fn once<T>(&self, tokens: u64, attempt: impl Future<Output = Attempt<T>>) -> Attempt<T> {
        // Given back while waiting to try again. The semaphore is never closed.
        let _place = self.inner.places.acquire().await;
        self.inner.gate.pass(tokens).await;
        attempt.await
    }

    /// Attempts until one is the last. `name` makes the pauses its own.
    pub(crate) async fn repeat<T, Tried: Future<Output = Attempt<T>>>(
        &self,
        name: &str,
        tokens: u64,
        attempt: impl Fn() -> Tried,
    ) -> Result<T, Failure> {
        let limits = &self.inner.limits;
        let mut number = 0;
        loop {
            number += 1;
            let outcome = self.once(tokens, attempt()).await;
            let (failure, at_least) = match outcome {
                Ok(value) => return Ok(value),
                Err(Missed::Failed(failure)) => return Err(failure),
                Err(Missed::Again(failure, at_least)) => (failure, at_least),
            };
            if number >= limits.attempts {
                return Err(failure);
            }
            let pause = jitter(name, number, limits).max(at_least.unwrap_or_default());
            tracing::debug!(%failure, attempt = number, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    /// One request and its whole response, within the time of an attempt.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&Key>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        let mut request = self.inner.http.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", &key.0);
        }
        self.response(request, MAX_BODY).await
    }

    /// Sends what [`builder`](Self::builder) began and reads the whole response, of at most `most` bytes.
    async fn response(
        &self,
        request: reqwest::RequestBuilder,
        most: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        let limit = Duration::from_secs(self.inner.limits.timeout_seconds);
        // Not for the head: an answer that is not streamed begins when all of it is written.
        let silence = Duration::from_secs(self.inner.limits.read_timeout_seconds);
        let whole = async {
            let mut response = request.send().await.map_err(chain)?;
            let mut bytes = Vec::new();
            loop {
                let chunk = tokio::time::timeout(silence, response.chunk()).await;
                let chunk = chunk.map_err(|_| format!("silent for {} s", silence.as_secs()))?;
                let Some(chunk) = chunk.map_err(chain)? else {
                    break;
                };
                if bytes.len() + chunk.len() > most {
                    return Err(format!("the body is larger than {most} bytes"));
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok((response.status(), response.headers().clone(), bytes))
        };
        match tokio::time::timeout(limit, whole).await {
            Err(_) => Err(self.broken(&format!("not whole after {} s", limit.as_secs()))),
            Ok(exchanged) => exchanged.map_err(|what| self.broken(&what)),
        }
    }

    /// A request to be filled, with the key in its headers. A query may follow the path.
    pub(crate) fn builder(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.inner.http.request(method, self.url(path))
    }

    /// What a status other than success means.
    fn refused<T>(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Attempt<T> {
        if let Some(failure) = self.quota(body) {
            return Err(Missed::Failed(failure));
        }
        let message = self.told(&wire::error_text(body));
        if status == 402 {
            return Err(Missed::Failed(Failure::Quota(message)));
        }
        let failure = Failure::Status { status, message };
        if !matches!(status, 408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529) {
            return Err(Missed::Failed(failure));
        }
        let longest = Duration::from_secs(self.inner.limits.longest_pause_seconds);
        let asked = retry_after(headers, SystemTime::now()).map(|pause| pause.min(longest));
        if status == 429 {
            // Without a word of the server's, a second is the least that helps.
            let pause = asked.unwrap_or(Duration::from_secs(1)).min(longest);
            self.inner.gate.pause(pause);
        }
        Err(Missed::Again(failure, asked))
    }

    /// The failure of an account without money, whatever the status.
    fn quota(&self, body: &[u8]) -> Option<Failure> {
        let used_up = ["insufficient_quota", "billing_hard_limit_reached"];
        let code = wire::error_code(body)?;
        let message = || self.told(&wire::error_text(body));
        used_up
            .contains(&code.as_str())
            .then(|| Failure::Quota(message()))
    }

    /// How many requests may be under way.
    pub(super) fn concurrency(&self) -> u32 {
        self.inner.limits.concurrency
    }

    pub(crate) fn broken(&self, what: &str) -> Failure {
        Failure::Transport(self.told(what))
    }

    /// One line, shortened once the key is out of it: the start of a key tells much.
    pub(super) fn told(&self, text: &str) -> String {
        let text = self.scrub(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").chars().take(TOLD).collect()
    }

    pub(crate) fn scrub(&self, text: &str) -> String {
        match &self.inner.secret {
            Some(secret) => secret.scrub(text),
            None => text.to_owned(),
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.inner.base.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&whole);
        url.set_query(query);
        if let Some(version) = &self.inner.azure_api_version {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        url
    }
}

/// Tokens of a request for the rate: a quarter of its bytes, and the longest answer.
fn estimate(request: &Request) -> u64 {
    let bytes: usize = request.messages().iter().map(|one| one.content.len()).sum();
    (bytes as u64).div_ceil(4) + u64::from(request.parameters().max_tokens)
}

/// `ring`, and the roots of the system; none for an address without TLS, so that a machine without roots can talk to
/// its own server.
fn tls(base: &Url) -> Result<rustls::ClientConfig, SetUpError> {
    use rustls_platform_verifier::BuilderVerifierExt as _;
    let failed = |error: rustls::Error| SetUpError::Http(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match base.scheme() {
        "https" => builder.with_platform_verifier().map_err(failed)?,
        _ => builder.with_root_certificates(rustls::RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

/// Full jitter: uniform between nothing and a bound that doubles (Brooker, "Exponential backoff and jitter", 2015).
/// Drawn from the request and the attempt, so that requests that failed together do not come back together.
fn jitter(name: &str, attempt: u32, limits: &Limits) -> Duration {
    let longest = limits.longest_pause_seconds.saturating_mul(1_000);
    let factor = 1_u64 << attempt.saturating_sub(1).min(20);
    let bound = limits
        .backoff_milliseconds
        .saturating_mul(factor)
        .min(longest);
    let digest = Sha256::digest(format!("{name}/{attempt}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let share = u128::from(u64::from_be_bytes(first));
    let milliseconds = (share * u128::from(bound)) >> 64;
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(bound))
}

/// How long the server asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |text: &str| text.trim().parse::<f64>().ok();
    // What is negative, no number or beyond all bounds is no duration.
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return seconds(milliseconds / 1_000.0);
    }
    let text = text("retry-after")?;
    match number(text) {
        Some(number) => seconds(number),
        None => {
            let when = httpdate::parse_http_date(text).ok()?;
            // A date in the past is no wait.
            Some(when.duration_since(now).unwrap_or_default())
        }
    }
}

/// An error and its causes, without the address: it may hold what should not be told.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let waits = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            retry_after(&headers, now)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(waits("retry-after", "7"), seconds(7));
        assert_eq!(waits("retry-after", " 7 "), seconds(7));
        assert_eq!(
            waits("retry-after", "0.5"),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            waits("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
        // One billion seconds after 1970 were over on Sunday, 9 September 2001, 01:46:40.
        assert_eq!(
            waits("retry-after", "Sun, 09 Sep 2001 01:46:55 GMT"),
            seconds(15)
        );
        assert_eq!(
            waits("retry-after", "Sun, 09 Sep 2001 01:46:00 GMT"),
            seconds(0)
        );
        for nonsense in ["-5", "soon", "inf", "NaN", "1e300", ""] {
            assert_eq!(waits("retry-after", nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn jitter_fills_a_doubling_bound_and_stops_growing() {
        let limits = Limits {
            backoff_milliseconds: 100,
            longest_pause_seconds: 1,
            ..Limits::default()
        };
        for (attempt, bound) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (4, 800),
            (5, 1_000),
            (60, 1_000),
        ] {
            let drawn: Vec<u128> = (0..2_000)
                .map(|name| jitter(&name.to_string(), attempt, &limits).as_millis())
                .collect();
            assert!(drawn.iter().all(|pause| *pause < bound), "{attempt}");
            // Uniform: the mean of 2,000 is within 4 standard errors (0.289 bound / 44.7) of the middle.
            let mean = drawn.iter().sum::<u128>() as f64 / 2_000.0;
            let middle = bound as f64 / 2.0;
            assert!(
                (mean - middle).abs() < 0.026 * bound as f64 + 1.0,
                "{attempt}: {mean}"
            );
        }
    }
}
