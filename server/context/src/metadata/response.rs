//! Responses, as Amazon's look.

use std::fmt;

/// A whole response, but for what transport adds (`Content-Length`, `Date`, `Connection`).
#[derive(Clone, PartialEq, Eq)]
pub struct MetadataResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl MetadataResponse {
    pub(super) fn text(text: impl Into<Vec<u8>>) -> MetadataResponse {
        MetadataResponse::new(200, "text/plain", text.into())
    }

    pub(super) fn bytes(bytes: Vec<u8>) -> MetadataResponse {
        MetadataResponse::new(200, "application/octet-stream", bytes)
    }

    /// With a small page that says the same.
    pub(super) fn error(status: u16) -> MetadataResponse {
        let title = match status {
            400 => "400 - Bad Request",
            401 => "401 - Unauthorized",
            403 => "403 - Forbidden",
            404 => "404 - Not Found",
            405 => "405 - Method Not Allowed",
            414 => "414 - URI Too Long",
            431 => "431 - Request Header Fields Too Large",
            _ => "500 - Internal Server Error",
        };
        let page = format!(
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
             <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
             \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
             <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
             <head>\n  <title>{title}</title>\n </head>\n \
             <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
        );
        MetadataResponse::new(status, "text/html", page.into_bytes())
    }

    fn new(status: u16, kind: &str, body: Vec<u8>) -> MetadataResponse {
        // Some programs take the service for Amazon's kind by this name.
        let headers = vec![("Content-Type", kind.to_owned()), ("Server", "EC2ws".to_owned())];
        MetadataResponse { status, headers, body }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: String) -> MetadataResponse {
        self.headers.push((name, value));
        self
    }

    #[must_use]
    pub(super) fn without_body(self) -> MetadataResponse {
        MetadataResponse { body: Vec::new(), ..self }
    }
}

impl fmt::Debug for MetadataResponse {
    /// Without the body, which may be user-data or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} ({} bytes)", self.status, self.headers, self.body.len())
    }
}
