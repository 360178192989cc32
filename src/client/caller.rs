//! How a command calls services: what it shows to those that ask for a token, and whom it believes.

use clap::Args;
use holdfast_service::config::Secret;
use holdfast_service::trust::Trust;
use hyper::header::HeaderValue;

/// Whoever calls services that may be elsewhere. Not the services' own `TrustArgs`: this may stand after a subcommand, too.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Services")]
pub struct CallerArgs {
    /// Who it is.
    #[command(flatten)]
    pub token: TokenArgs,

    /// Certificates (PEM) of authorities that are believed besides Mozilla's, for services with https.
    #[arg(long, env = "TLS_CA_FILE", value_name = "FILE", value_parser = Trust::configured, global = true)]
    pub tls_ca_file: Option<Trust>,
}

impl CallerArgs {
    /// Whom it believes.
    pub(crate) fn trust(&self) -> Trust {
        self.tls_ca_file.clone().unwrap_or_default()
    }
}

/// The token of whoever calls a service.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Services")]
pub struct TokenArgs {
    /// Token to call the services with, where they ask for one; `holdfast token` makes one. Prefer the variable: others on
    /// this machine can see the arguments of a process.
    #[arg(long, env = "HOLDFAST_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = token, global = true)]
    token: Option<Secret>,
}

fn token(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(text.to_owned())),
        false => Err("expected a token as `holdfast token` prints it".to_owned()),
    }
}

impl TokenArgs {
    /// This token.
    pub(crate) fn of(token: String) -> Self {
        Self { token: Some(Secret::new(token)) }
    }

    /// The `Authorization` header; not shown in debug prints.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let token = self.token.as_ref().map(Secret::reveal).filter(|token| !token.is_empty())?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
