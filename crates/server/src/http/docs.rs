//! The API's own description (I1): OpenAPI 3.1 from the routes themselves, and a page to browse it that loads nothing from elsewhere.

use super::Problem;
use crate::app::App;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{
    HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Type};
use utoipa_swagger_ui::{Config, SwaggerUi};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Ringback",
        description = "Answers every lead before it goes cold.\n\nKeys: `Authorization: Bearer rb_live_…`; keys that begin with `rb_test_` only reach the sandbox. Lists are pages: send `next` as `after`. Errors are problem documents (RFC 9457) with a stable `code` and the `field` at fault. POST and PATCH take an `Idempotency-Key`, kept for 24 hours.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(Problem)),
    tags(
        (name = "leads", description = "People who may buy, and everything about them"),
        (name = "messages", description = "What is said to leads and staff, and what came of it"),
        (name = "dead letters", description = "What ended without reaching anybody and can still be mended, and what nobody knows"),
        (name = "consents", description = "What people allowed, and whom nothing may be sent to"),
        (name = "connections", description = "Accounts at providers"),
        (name = "workflows", description = "Documents of the configuration, and runs of workflows"),
        (name = "configuration", description = "The folder of documents as a whole: drafts, releases, the way back"),
        (name = "keys", description = "API keys"),
        (name = "staff", description = "Who works the leads"),
        (name = "reports", description = "Figures, each defined once"),
        (name = "tenant", description = "The business itself, its switches and its audit log"),
        (name = "errors", description = "What went wrong"),
        (name = "recovery", description = "What is held since a restore, until a person lets it go"),
        (name = "live", description = "What changes, as it changes"),
        (name = "health", description = "How the server is")
    )
)]
struct Frame;

/// The description of everything before routes are added.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

/// Adds what holds for every route: keys, idempotency, and the errors anybody may meet.
pub(crate) fn complete(mut api: OpenApi) -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key of a tenant."))
        .build();
    if let Some(components) = &mut api.components {
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
    for (path, item) in &mut api.paths.paths {
        let guarded = path.starts_with("/v1/");
        for (method, operation) in operations(item) {
            describe(path, &method, operation, guarded);
        }
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

fn describe(path: &str, method: &HttpMethod, operation: &mut Operation, guarded: bool) {
    let mut errors: Vec<(&str, &str)> = Vec::new();
    let keyed = guarded && operation.security.is_none();
    if keyed {
        operation.security = Some(vec![SecurityRequirement::new("key", [""; 0])]);
        errors.extend([
            ("401", "No key, or one that opens nothing"),
            ("403", "The key does not open this"),
            ("429", "Too many requests"),
        ]);
    }
    if path.contains('{') {
        errors.push(("404", "There is nothing by that name in this tenant"));
    }
    let parameters = operation.parameters.as_ref().is_some_and(|list| {
        list.iter()
            .any(|one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query))
    });
    if operation.request_body.is_some() {
        errors.extend([
            ("400", "The body cannot be read"),
            ("413", "The body is too large"),
        ]);
    }
    if operation.request_body.is_some() || parameters {
        errors.push(("422", "A value cannot be used; `field` says which"));
    }
    if guarded && *method != HttpMethod::Get {
        errors.push((
            "503",
            "The server is behind or stopping; nothing was stored, try again",
        ));
    }
    if keyed && matches!(method, HttpMethod::Post | HttpMethod::Patch) {
        errors.push(("409", "It cannot be done as things stand"));
        operation
            .parameters
            .get_or_insert_default()
            .push(RefOr::T(idempotency_key()));
    }
    for (status, says) in errors {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| {
                let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
                RefOr::T(
                    ResponseBuilder::new()
                        .description(says)
                        .content("application/problem+json", content)
                        .build(),
                )
            });
    }
}

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("A name for this request, up to 255 characters: the same request under the same name happens once and is answered alike for 24 hours."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
}

/// What the page may load: its own files, and the styles it makes itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/openapi.json` and the page at `/docs`.
pub(crate) fn pages(api: OpenApi) -> Router<App> {
    // Without "none" the page would ask a server of its makers whether the document is valid.
    let config = Config::default()
        .validator_url("none")
        .persist_authorization(false);
    let ui = SwaggerUi::new("/docs")
        .url("/openapi.json", api)
        .config(config);
    Router::<App>::from(ui).layer(axum::middleware::from_fn(guard))
}

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
