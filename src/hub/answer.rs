//! One request and its answer: a value, or what is wrong. A page for people is not an answer, whatever its status;
//! `hf-hub` keeps no such body, so the address is read once more.

use hf_hub::HFError;
use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use super::Hub;
use super::fault::{Fault, is_page, media, unread};

impl Hub<'_> {
    /// One request. Its faults are those of one try.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let request = match self.account.token() {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        match request.send().await {
            Ok(answer) => Fault::of_answer(&self.account, answer).await,
            Err(error) => Err(Fault::of_transport(&self.account, error)),
        }
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Fault> {
        let answer = self.send(request).await?;
        self.read_json(answer).await
    }

    pub(super) async fn read_json<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Fault> {
        let media = media(answer.headers());
        let body = self.body(answer).await?;
        serde_json::from_slice(&body).map_err(|error| Fault::of_body(&self.account, media.as_deref(), &body, &error))
    }

    /// The body of an answer, unless it is a page for people.
    pub(super) async fn body(&self, answer: Response) -> Result<Vec<u8>, Fault> {
        let media = media(answer.headers());
        let body = answer.bytes().await.map_err(|error| Fault::of_transport(&self.account, error))?;
        match is_page(&body) {
            true => Err(Fault::foreign(&self.account, media.as_deref(), &body)),
            false => Ok(body.to_vec()),
        }
    }

    /// A request whose answer only says that it is done.
    pub(super) async fn done(&self, request: RequestBuilder) -> Result<(), Fault> {
        let answer = self.send(request).await?;
        self.body(answer).await.map(|_| ())
    }

    /// The fault that `hf-hub` reports. It keeps no answer that it cannot read, so its address is read once more to see
    /// who answers there.
    pub(super) async fn fault_of(&self, error: HFError) -> Fault {
        let url = unread(&error).and_then(|url| Url::parse(url).ok());
        let fault = Fault::of_client(&self.account, error);
        match url {
            Some(url) => self.foreign_at(url).await.unwrap_or(fault),
            None => fault,
        }
    }

    /// The fault of something that the Hub said is done and that is not.
    pub(super) async fn not_done(&self, url: Url, what: &str) -> Fault {
        let fault = Fault::Passing { what: what.to_owned(), wait: None, network: false };
        self.foreign_at(url).await.unwrap_or(fault)
    }

    async fn foreign_at(&self, url: Url) -> Option<Fault> {
        let hub = Url::parse(self.account.endpoint()).ok()?;
        // The token goes nowhere else.
        if url.origin() != hub.origin() {
            return None;
        }
        self.send(self.http.get(url)).await.err().filter(|fault| matches!(fault, Fault::Foreign { .. }))
    }
}
