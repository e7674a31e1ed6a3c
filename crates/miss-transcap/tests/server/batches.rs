//! `/v1/files` and `/v1/batches`.

use serde_json::{Value, json};

use super::http::{Received, reply};
use super::model;

/// Turns the lines of a batch (`custom_id`, body) into the output and the error file.
pub type Work = Box<dyn Fn(&[(String, Value)]) -> (String, String) + Send + Sync>;

pub struct Batches {
    /// Name and content; the id is the place.
    pub files: Vec<(String, String)>,
    /// File of each batch, and how often it was asked for.
    pub batches: Vec<(String, usize)>,
    /// How often a batch is asked for before it is over.
    pub polls: usize,
    /// `completed` or whatever it ends as.
    pub ends_as: &'static str,
    pub work: Work,
    /// Takes the next upload (or batch) and dies: the client sees a 500.
    pub die_after: Option<&'static str>,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            batches: Vec::new(),
            polls: 2,
            ends_as: "completed",
            work: Box::new(|lines| (lines.iter().map(line).collect(), String::new())),
            die_after: None,
        }
    }
}

/// The line of a correct answer.
pub fn line((id, body): &(String, Value)) -> String {
    let response = json!({ "status_code": 200, "request_id": "r", "body": model::answer(body) });
    format!(
        "{}\n",
        json!({ "id": "x", "custom_id": id, "response": response, "error": null })
    )
}

impl Batches {
    pub fn answer(&mut self, received: &Received) -> Vec<u8> {
        let path = received.target.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        let index = |id: &str| {
            id.split('-')
                .next_back()
                .and_then(|id| id.parse::<usize>().ok())
        };
        let ok = |value: Value| reply(200, &[], value.to_string().as_bytes());
        let missing = || reply(404, &[], b"{}");
        let post = received.method == "POST";
        match (post, parts.as_slice()) {
            (true, ["files"]) => {
                let (name, content) = upload(received);
                self.files.push((name, content));
                self.die("files", ok(file(self.files.len() - 1, &self.files)))
            }
            (false, ["files"]) => {
                let all = (0..self.files.len()).rev().map(|at| file(at, &self.files));
                ok(json!({ "data": all.collect::<Vec<_>>(), "has_more": false }))
            }
            (false, ["files", id, "content"]) => match index(id) {
                Some(at) if at < self.files.len() => reply(200, &[], self.files[at].1.as_bytes()),
                _ => missing(),
            },
            (true, ["batches"]) => {
                let body: Value = serde_json::from_slice(&received.body).unwrap();
                assert_eq!(body["endpoint"], "/v1/chat/completions");
                assert_eq!(body["completion_window"], "24h");
                let name = body["input_file_id"].as_str().unwrap();
                self.batches.push((name.to_owned(), 0));
                self.die("batches", ok(self.batch(self.batches.len() - 1)))
            }
            (false, ["batches"]) => {
                let all = (0..self.batches.len()).rev().map(|at| self.batch(at));
                ok(json!({ "data": all.collect::<Vec<_>>(), "has_more": false }))
            }
            (false, ["batches", id]) => match index(id) {
                Some(at) if at < self.batches.len() => {
                    self.batches[at].1 += 1;
                    let mut batch = self.batch(at);
                    if batch["status"] == self.ends_as {
                        let input = index(&self.batches[at].0).unwrap();
                        let (output, errors) = (self.work)(&requests(&self.files[input].1));
                        for (name, text) in [("output_file_id", output), ("error_file_id", errors)]
                        {
                            batch[name] = match text.is_empty() {
                                true => Value::Null,
                                false => {
                                    self.files.push((name.into(), text));
                                    format!("file-{}", self.files.len() - 1).into()
                                }
                            };
                        }
                    }
                    ok(batch)
                }
                _ => missing(),
            },
            _ => missing(),
        }
    }

    fn die(&mut self, what: &str, answer: Vec<u8>) -> Vec<u8> {
        match self.die_after.take_if(|when| *when == what) {
            Some(_) => reply(500, &[], b"{}"),
            None => answer,
        }
    }

    fn batch(&self, at: usize) -> Value {
        let (file, asked) = &self.batches[at];
        let status = match *asked {
            0 => "validating",
            asked if asked < self.polls => "in_progress",
            asked if asked == self.polls => "finalizing",
            _ => self.ends_as,
        };
        json!({
            "id": format!("batch-{at}"),
            "object": "batch",
            "input_file_id": file,
            "status": status,
            "created_at": 1_700_000_000,
            "completed_at": 1_700_000_060,
            "request_counts": { "total": 3, "completed": 1, "failed": 0 },
        })
    }
}

fn file(at: usize, files: &[(String, String)]) -> Value {
    json!({ "id": format!("file-{at}"), "filename": files[at].0, "purpose": "batch" })
}

fn requests(text: &str) -> Vec<(String, Value)> {
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            assert_eq!(
                (&line["method"], &line["url"]),
                (&json!("POST"), &json!("/v1/chat/completions"))
            );
            (
                line["custom_id"].as_str().unwrap().to_owned(),
                line["body"].clone(),
            )
        })
        .collect()
}

/// Name and content of the file in a multipart form, whose purpose is checked.
fn upload(received: &Received) -> (String, String) {
    let kind = received.header("content-type").unwrap();
    let boundary = kind.split_once("boundary=").unwrap().1.trim_matches('"');
    let body = String::from_utf8(received.body.clone()).unwrap();
    let mut purpose = None;
    let mut file = None;
    for part in body.split(&format!("--{boundary}")) {
        let Some((head, content)) = part.split_once("\r\n\r\n") else {
            continue;
        };
        let content = content.strip_suffix("\r\n").unwrap();
        if head.contains("name=\"purpose\"") {
            purpose = Some(content.to_owned());
        } else if let Some((_, name)) = head.split_once("filename=\"") {
            file = Some((
                name.split('"').next().unwrap().to_owned(),
                content.to_owned(),
            ));
        }
    }
    assert_eq!(purpose.as_deref(), Some("batch"));
    file.unwrap()
}
