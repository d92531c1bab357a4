//! What every request passes first: the table of methods, the token, the deadline. It alone makes
//! [`Call`]s, without which no service answers; so what it doesn't know is refused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nearfield::Progress;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::budget::{Budget, Held, Outgoing};
use super::caller::{Call, Caller};
use super::listener::Peer;
use super::methods::{Method, Time, find};
use super::metrics::SharedMetrics;
use super::status::{RETRY_FULL, of_transport, refused, retry, too_late};
use super::tokens::Tokens;

/// What requests are held to.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who may call; `None`: anyone.
    pub tokens: Option<Arc<Tokens>>,
    /// Time of a call that doesn't say.
    pub time_default: Duration,
    /// Most time of a call that isn't a stream or a merge.
    pub time_max: Duration,
    /// Calls under way at once.
    pub calls_max: usize,
    /// A client takes some of its answer every so often.
    pub patience: Duration,
    /// Memory for requests.
    pub budget: Budget,
}

/// The layer.
#[derive(Debug, Clone)]
pub struct Front {
    rules: Rules,
    metrics: SharedMetrics,
}

impl Front {
    /// One with these rules.
    pub fn new(rules: Rules, metrics: SharedMetrics) -> Self {
        Self { rules, metrics }
    }

    fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<Call, Status> {
        let caller = match (&self.rules.tokens, method.scope) {
            (Some(tokens), Some(scope)) => {
                let caller = tokens.caller(headers)?;
                if caller.scope < scope {
                    return Err(caller.denied(scope, "(any)"));
                }
                caller
            }
            _ => Arc::new(Caller::anyone()),
        };
        if self.metrics.calls.get() > self.rules.calls_max as i64 && method.scope.is_some() {
            let message = "too many calls are under way; retry after a pause, with backoff";
            return Err(retry(Code::ResourceExhausted, "FULL", message, RETRY_FULL));
        }
        let asked = headers.get("grpc-timeout").map(|value| {
            let text = value.to_str().unwrap_or_default();
            timeout(text).ok_or_else(|| {
                let message = "grpc-timeout: expected at most 8 digits and a unit";
                refused(Code::InvalidArgument, "TIMEOUT", message)
            })
        });
        let time = match (asked.transpose()?, method.time) {
            (None, Time::Open | Time::Stream) => None,
            (None, Time::Bounded) => Some(self.rules.time_default),
            (Some(asked), Time::Open | Time::Stream) => Some(asked),
            (Some(asked), Time::Bounded) => Some(asked.min(self.rules.time_max)),
        };
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        Ok(Call { caller, deadline, stop: Progress::new(), held: Arc::new(Held::default()) })
    }
}

/// Reads the header `grpc-timeout`.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

impl<S> Layer<S> for Front {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { front: self.clone(), inner }
    }
}

/// Services behind the front.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    front: Front,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(method) = find(request.uri().path()) else {
            let status = refused(Code::Unimplemented, "UNKNOWN_METHOD", "there is no such method");
            return Box::pin(async move { Ok(status.into_http()) });
        };
        let watch = Watch::begin(method, self.front.metrics.clone());
        let call = match self.front.admit(method, request.headers()) {
            Ok(call) => call,
            Err(status) => {
                watch.end(status.code());
                return Box::pin(async move { Ok(status.into_http()) });
            }
        };
        // The token is of no use behind this, and what isn't there is not logged.
        request.headers_mut().remove("authorization");
        let deadline = call.deadline;
        let watch = watch.of(call.stop.clone());
        let rules = &self.front.rules;
        if method.time != Time::Stream {
            // Ingest gives credit for what it holds.
            let (budget, held) = (rules.budget.clone(), Arc::clone(&call.held));
            request = request.map(|body| budget.request(body, held));
        }
        let untaken = request.extensions().get::<Peer>().map(|peer| peer.untaken.clone());
        let patience = rules.patience;
        request.extensions_mut().insert(call);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match deadline {
                None => answer.await,
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), answer).await {
                    Ok(answer) => answer,
                    Err(_) => Ok(too_late().into_http()),
                },
            };
            let answer = answer.map(|answer| match Status::from_header_map(answer.headers()) {
                None => (Code::Ok, answer),
                Some(status) if status.details().is_empty() => {
                    let status = of_transport(status);
                    (status.code(), status.into_http())
                }
                Some(status) => (status.code(), answer),
            });
            let keep = watch.end(answer.as_ref().map_or(Code::Internal, |(code, _)| *code));
            answer.map(|(_, mut answer)| {
                let held = answer.extensions_mut().remove::<Arc<Held>>();
                let last = deadline.and_then(|deadline| deadline.checked_add(patience));
                answer.map(|body| Outgoing::wrap(body, held.zip(untaken), patience, last, keep))
            })
        })
    }
}

/// A call that is under way: until the client has its answer.
struct UnderWay(SharedMetrics);

impl UnderWay {
    fn begin(method: &Method, metrics: &SharedMetrics) -> Option<Self> {
        method.scope?;
        metrics.calls.inc();
        Some(Self(Arc::clone(metrics)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.calls.dec();
    }
}

/// Counts a call, and stops its work when the caller is gone.
struct Watch {
    method: &'static Method,
    metrics: SharedMetrics,
    began: Instant,
    stop: Option<Progress>,
    code: Code,
    under_way: Option<UnderWay>,
}

impl Watch {
    fn begin(method: &'static Method, metrics: SharedMetrics) -> Self {
        metrics.started(method);
        let under_way = UnderWay::begin(method, &metrics);
        let (began, code) = (Instant::now(), Code::Cancelled);
        Self { method, metrics, began, stop: None, code, under_way }
    }

    fn of(mut self, stop: Progress) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The head of the answer is there; what is returned lasts until its end.
    fn end(mut self, code: Code) -> Option<UnderWay> {
        self.code = code;
        // The head of a stream's answer is not its end.
        if code == Code::Ok {
            self.stop = None;
        }
        self.under_way.take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(stop) = &self.stop {
            stop.cancel();
        }
        self.metrics.handled(self.method, self.code, self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_a_unit() {
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(timeout("1n"), Some(Duration::from_nanos(1)));
        for text in ["", "m", "1", "1x", "-1S", "123456789S", "1é", "1.5S"] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }
}
