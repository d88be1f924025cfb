//! Where a request goes: its path is read once, and decides together with its host and its method.

use hyper::header::{ALLOW, HOST};
use hyper::{Method, Request, StatusCode};
use service::app::probe::Probe;
use service::message::problem::Problem;

use crate::headers;
use crate::routes::cors::{self, Cors};
use crate::routes::path::{Path, respell};
use crate::routes::route::Route;
use crate::routes::table::{Match, Table};

/// Where a request goes.
pub(crate) enum Destination<'t> {
    /// To the program itself: no route takes it, or none may.
    Own,
    /// No further: a browser asks what a page may do with this method on this route, and its CORS is the answer.
    Preflight(&'t Route, &'t Cors, Method),
    /// To an upstream of the route at this place of the table.
    Route(usize),
}

impl<'t> Destination<'t> {
    /// That of `request` by `table`; its path gets the spelling by which it was found.
    ///
    /// No route can take a probe's path, or the table could make the pod unready.
    ///
    /// # Errors
    /// 400 for a path that two programs could read differently, 405 where the path's routes take other methods.
    pub(crate) fn of<B>(request: &mut Request<B>, table: &'t Table) -> Result<Self, Problem> {
        let raw = request.uri().path().to_owned();
        if raw == "*" {
            return Ok(Self::Own);
        }
        let path = Path::read(&raw)?;
        respell(request, &path)?;
        if Probe::is_at(path.as_str()) {
            return Ok(Self::Own);
        }
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if let Some(method) = cors::preflight_for(request.method(), request.headers())
            && let Match::Route(_, route) = table.find(&method, host, &path)
            && let Some(cors) = &route.cors
        {
            return Ok(Self::Preflight(route, cors, method));
        }
        match table.find(request.method(), host, &path) {
            Match::Route(place, _) if !path.others().any(Probe::is_at) => Ok(Self::Route(place)),
            Match::Route(..) | Match::Unclear => {
                let detail = "some programs would take the path for that of another route, so it is not forwarded";
                Err(Problem::bad(detail))
            }
            Match::OtherMethods(methods) => {
                let methods = headers::list(methods.iter().map(Method::as_str));
                let detail = format!("this path takes {}", methods.to_str().unwrap_or_default());
                Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(ALLOW, methods))
            }
            Match::None => Ok(Self::Own),
        }
    }
}
