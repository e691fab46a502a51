//! A client that knows better than `object_store` what can be asked again.
//!
//! "Not implemented" is final. A connection that was lost is not: whatever is written here may be written twice, and all
//! who create something know that "already exists" can be the answer to their own request.

use futures_util::future::BoxFuture;
use http::StatusCode;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
    },
};

/// The store does not know the request, and never will.
#[derive(Debug, thiserror::Error)]
#[error("the store answered 501 Not Implemented")]
pub(super) struct NotImplemented;

/// Such as by a gateway that was killed.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
struct Lost(#[source] HttpError);

#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        ReqwestConnector::default().connect(options).map(|client| HttpClient::new(Client(client)))
    }
}

#[derive(Debug)]
struct Client(HttpClient);

impl HttpService for Client {
    fn call<'this, 'call>(&'this self, request: HttpRequest) -> BoxFuture<'call, Result<HttpResponse, HttpError>>
    where
        'this: 'call,
        Self: 'call,
    {
        Box::pin(async {
            // The first kind is always repeated, the second never.
            match self.0.execute(request).await {
                Err(error) if error.kind() == HttpErrorKind::Interrupted => {
                    Err(HttpError::new(HttpErrorKind::Request, Lost(error)))
                }
                Ok(response) if response.status() == StatusCode::NOT_IMPLEMENTED => {
                    Err(HttpError::new(HttpErrorKind::Unknown, NotImplemented))
                }
                answer => answer,
            }
        })
    }
}
