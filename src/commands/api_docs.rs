//! `holdfast api-docs`: the API documents, written from the code.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{OpenApi, Server};

use crate::cli::RuntimeArgs;

/// Arguments of `holdfast api-docs`.
#[derive(Args, Clone, Debug)]
pub struct ApiDocsArgs {
    /// Folder that they are written to; made if it is not there.
    #[arg(long, default_value = "api", value_name = "DIR")]
    pub out: PathBuf,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Writes `openapi.json` (both services) and `asyncapi.json` (their topics).
///
/// # Errors
/// If the folder cannot be written to.
pub fn run(args: &ApiDocsArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let write = |name: &str, mut text: String| {
        let file = args.out.join(name);
        text.push('\n');
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    };
    write("openapi.json", openapi().to_pretty_json()?)?;
    write("asyncapi.json", serde_json::to_string_pretty(&holdfast_contract::asyncapi::document())?)
}

/// Both services in one document; each path names the server that it is on.
pub fn openapi() -> OpenApi {
    let orders = on("http://localhost:3004", holdfast_orders::http::openapi::openapi());
    let products = on("http://localhost:3001", holdfast_products::http::openapi());
    // What is on both is one path with two servers.
    let shared: Vec<String> =
        orders.paths.paths.keys().filter(|path| products.paths.paths.contains_key(*path)).cloned().collect();
    let mut both = orders.merge_from(products);
    for path in shared {
        if let Some(item) = both.paths.paths.get_mut(&path) {
            item.servers = Some(["http://localhost:3004", "http://localhost:3001"].map(Server::new).to_vec());
        }
    }
    both.info.title = "Holdfast".to_owned();
    both.info.description =
        Some("The Orders service (port 3004) and the Products service (port 3001). Each serves its own part at /openapi.json.".to_owned());
    both.servers = None;
    both
}

fn on(server: &str, mut document: OpenApi) -> OpenApi {
    for PathItem { servers, .. } in document.paths.paths.values_mut() {
        *servers = Some(vec![Server::new(server)]);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_services_are_in_it_and_every_reference_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        for path in [
            "/api/v1/orders",
            "/api/v1/orders/{id}/timeline",
            "/api/v1/products",
            "/api/v1/products/{id}/reserve",
            "/api/v1/dead-letters/{id}/replay",
        ] {
            assert!(document["paths"].get(path).is_some(), "{path}");
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    /// The wire has no snake case: such a name is one that the document and the code disagree on.
    #[test]
    fn every_field_is_written_as_on_the_wire() {
        fn look(value: &serde_json::Value, wrong: &mut Vec<String>) {
            if let Some(properties) = value.get("properties").and_then(serde_json::Value::as_object) {
                wrong.extend(
                    properties.keys().filter(|name| name.trim_start_matches('_').contains('_')).cloned(),
                );
            }
            match value {
                serde_json::Value::Object(fields) => fields.values().for_each(|v| look(v, wrong)),
                serde_json::Value::Array(items) => items.iter().for_each(|v| look(v, wrong)),
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        look(&serde_json::to_value(openapi()).unwrap(), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
