//! A client that takes "not implemented" for an answer: `object_store` would ask again until its patience ends.

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

#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        ReqwestConnector::default().connect(options).map(|client| HttpClient::new(Final(client)))
    }
}

#[derive(Debug)]
struct Final(HttpClient);

impl HttpService for Final {
    fn call<'this, 'call>(&'this self, request: HttpRequest) -> BoxFuture<'call, Result<HttpResponse, HttpError>>
    where
        'this: 'call,
        Self: 'call,
    {
        Box::pin(async {
            let response = self.0.execute(request).await?;
            if response.status() == StatusCode::NOT_IMPLEMENTED {
                // Of this kind, nothing is repeated.
                return Err(HttpError::new(HttpErrorKind::Unknown, NotImplemented));
            }
            Ok(response)
        })
    }
}
