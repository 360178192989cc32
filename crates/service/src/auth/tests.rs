//! Tokens as attackers make them, and keys that come and go.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::signing::{Signing, base64, hs256, unsigned};
use super::test_support::{SECRET, args, authenticator, token, with_secret};
use super::*;
use crate::clock::ManualClock;
use crate::http::{HttpOptions, HttpServer, ServerOptions, finish};
use crate::tls::{Tls, TlsArgs};
use crate::trust::Trust;

const HOUR: i64 = 3600;

fn seconds(clock: &ManualClock) -> i64 {
    clock.now().as_millis() / 1000
}

fn claims(clock: &ManualClock) -> Value {
    json!({"sub": "ada", "role": "customer", "iss": "holdfast", "aud": "holdfast", "exp": seconds(clock) + HOUR})
}

fn hs(clock: &ManualClock, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(clock);
    change(&mut claims);
    hs256(SECRET.as_bytes(), &json!({"alg": "HS256", "typ": "JWT"}), &claims)
}

fn subject(checked: Result<Identity, Refusal>) -> Result<String, Refusal> {
    checked.map(|identity| identity.caller.subject().to_owned())
}

#[test]
fn a_minted_token_says_who_it_is_until_it_is_over() {
    let clock = ManualClock::default();
    let auth = authenticator(Arc::new(clock.clone()));
    for role in Role::ALL {
        let identity = auth.check(&token(&clock, "ada", role)).unwrap();
        assert_eq!(identity.caller, Caller::new("ada", role));
        assert_eq!(auth.remaining(identity.expires), Duration::from_secs(3600));
    }
    let token = token(&clock, "ada", Role::Customer);
    clock.advance(Duration::from_secs(3609));
    assert_eq!(subject(auth.check(&token)).unwrap(), "ada", "clocks may be apart");
    assert_eq!(auth.remaining(clock.now()), Duration::ZERO);
    clock.advance(Duration::from_secs(1));
    // It was verified before, and is refused all the same.
    assert_eq!(auth.check(&token), Err(Refusal::Expired));
}

#[test]
fn claims_must_be_there_and_right() {
    let clock = ManualClock::default();
    let auth = authenticator(Arc::new(clock.clone()));
    let now = seconds(&clock);
    for (name, value, refusal) in [
        ("exp", json!(null), Refusal::Nobody),
        ("exp", json!("soon"), Refusal::Nobody),
        ("exp", json!(-1), Refusal::Nobody),
        ("exp", json!(1e300), Refusal::Nobody),
        ("exp", json!(now - 10), Refusal::Expired),
        ("nbf", json!(now + 11), Refusal::NotYet),
        ("nbf", json!(-1), Refusal::Invalid),
        ("iss", json!("somebody"), Refusal::NotForUs),
        ("iss", json!(null), Refusal::NotForUs),
        ("aud", json!("somebody"), Refusal::NotForUs),
        ("aud", json!(["a", "b"]), Refusal::NotForUs),
        ("aud", json!([]), Refusal::NotForUs),
        ("aud", json!(null), Refusal::NotForUs),
        ("sub", json!(null), Refusal::Nobody),
        ("sub", json!(7), Refusal::Nobody),
        ("sub", json!(""), Refusal::Nobody),
        ("sub", json!(" ada"), Refusal::Nobody),
        ("sub", json!("a\u{0}"), Refusal::Nobody),
        ("sub", json!("everybody"), Refusal::Nobody),
        ("role", json!(null), Refusal::Nobody),
        ("role", json!("root"), Refusal::Nobody),
        ("role", json!("Admin"), Refusal::Nobody),
        ("role", json!(["admin"]), Refusal::Nobody),
    ] {
        let token = hs(&clock, |claims| claims[name] = value.clone());
        assert_eq!(auth.check(&token), Err(refusal), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["x", "holdfast"])),
        ("nbf", json!(now + 9)),
        ("exp", json!(now as f64 + 0.5)),
        ("nickname", json!("countess")),
    ] {
        let token = hs(&clock, |claims| claims[name] = value.clone());
        assert_eq!(subject(auth.check(&token)).as_deref(), Ok("ada"), "{name}: {value}");
    }
}

#[test]
fn a_claim_that_is_there_twice_is_no_claim() {
    let clock = ManualClock::default();
    let auth = authenticator(Arc::new(clock.clone()));
    let exp = seconds(&clock) + HOUR;
    let twice = format!(
        r#"{{"sub":"ada","role":"customer","role":"admin","iss":"holdfast","aud":"holdfast","exp":{exp}}}"#
    );
    let message = format!("{}.{}", base64(r#"{"alg":"HS256"}"#), base64(twice));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = format!("{message}.{}", base64(ring::hmac::sign(&key, message.as_bytes())));
    assert_eq!(auth.check(&token), Err(Refusal::Nobody));
}

#[test]
fn what_is_not_signed_with_the_secret_is_nothing() {
    let clock = ManualClock::default();
    let auth = authenticator(Arc::new(clock.clone()));
    let claims = claims(&clock);
    let good = hs(&clock, |_| {});
    let (message, tag) = good.rsplit_once('.').unwrap();
    let admin = {
        let mut claims = claims.clone();
        claims["role"] = json!("admin");
        format!("{}.{tag}", unsigned(&json!({"alg": "HS256"}), &claims))
    };
    let none = |alg: &str, tag: &str| format!("{}.{tag}", unsigned(&json!({ "alg": alg }), &claims));
    let rsa = Signing::rs256().sign(&json!({"alg": "RS256"}), &claims);
    let ec = Signing::es256().sign(&json!({"alg": "ES256"}), &claims);
    let critical = hs256(SECRET.as_bytes(), &json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &claims);
    for (why, token) in [
        ("no token", String::new()),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.x")),
        ("another secret", hs256(b"another secret of thirty-two bytes", &json!({"alg": "HS256"}), &claims)),
        ("an empty secret", hs256(b"", &json!({"alg": "HS256"}), &claims)),
        ("the role was changed", admin),
        ("alg none", none("none", "")),
        ("alg None", none("None", "")),
        ("alg none, signed", none("none", tag)),
        ("alg HS512", hs256(SECRET.as_bytes(), &json!({"alg": "HS512"}), &claims)),
        ("alg RS256", hs256(SECRET.as_bytes(), &json!({"alg": "RS256"}), &claims)),
        ("a key of its own (RSA)", rsa),
        ("a key of its own (EC)", ec),
        ("an extension that must be understood", critical),
        ("far too long", format!("{good}{}", "A".repeat(LONGEST))),
    ] {
        assert_eq!(auth.check(&token), Err(Refusal::Invalid), "{why}");
    }
    assert_eq!(subject(auth.check(&good)).unwrap(), "ada");
}

/// A key set in a file.
struct Provider {
    file: NamedTempFile,
    clock: ManualClock,
}

impl Provider {
    fn of(keys: &[Value]) -> Self {
        let this = Self { file: NamedTempFile::new().unwrap(), clock: ManualClock::default() };
        this.publish(&json!({ "keys": keys }).to_string());
        this
    }

    fn publish(&self, text: &str) {
        let mut file = std::fs::File::create(self.file.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn authenticator(&self, more: &[&str]) -> Arc<Authenticator> {
        let path = self.file.path().to_str().unwrap();
        let args = args(&[&["--jwks-file", path], more].concat());
        Authenticator::from_args(&args, &Trust::default(), Arc::new(self.clock.clone())).unwrap().unwrap()
    }

    fn token(&self, signing: &Signing, alg: &str, kid: &str) -> String {
        signing.sign(&json!({"alg": alg, "kid": kid}), &claims(&self.clock))
    }
}

#[test]
fn each_key_takes_its_own_algorithm_only() {
    let (rsa, ec) = (Signing::rs256(), Signing::es256());
    let provider = Provider::of(&[rsa.jwk("r"), ec.jwk("e")]);
    let auth = provider.authenticator(&[]);
    assert_eq!(subject(auth.check(&provider.token(&rsa, "RS256", "r"))).unwrap(), "ada");
    assert_eq!(subject(auth.check(&provider.token(&ec, "ES256", "e"))).unwrap(), "ada");
    for (signing, alg, kid) in [
        (&rsa, "RS256", "e"),
        (&rsa, "ES256", "r"),
        (&ec, "ES256", "r"),
        (&rsa, "RS512", "r"),
        (&rsa, "PS256", "r"),
    ] {
        let token = provider.token(signing, alg, kid);
        assert_eq!(auth.check(&token), Err(Refusal::Invalid), "{alg} {kid}");
    }
    // What everybody can read is not a secret: the public key, in each way that it may be written, is no HMAC key.
    let claims = claims(&provider.clock);
    for kid in ["r", "e"] {
        let jwk = if kid == "r" { rsa.jwk("r") } else { ec.jwk("e") };
        for public in [jwk.to_string(), jwk["n"].to_string(), jwk["x"].to_string()] {
            let token = hs256(public.as_bytes(), &json!({"alg": "HS256", "kid": kid}), &claims);
            assert_eq!(auth.check(&token), Err(Refusal::Invalid), "{kid}");
        }
    }
    let unnamed = rsa.sign(&json!({"alg": "RS256"}), &claims);
    assert_eq!(auth.check(&unnamed), Err(Refusal::UnknownKey), "there is a choice");
    assert_eq!(auth.check(&provider.token(&rsa, "RS256", "x")), Err(Refusal::UnknownKey));
}

#[test]
fn a_secret_and_a_key_set_go_together() {
    let ec = Signing::es256();
    let provider = Provider::of(&[ec.jwk("e")]);
    let auth = provider.authenticator(&["--access-token-secret", SECRET]);
    assert_eq!(subject(auth.check(&provider.token(&ec, "ES256", "e"))).unwrap(), "ada");
    assert_eq!(subject(auth.check(&token(&provider.clock, "bob", Role::Service))).unwrap(), "bob");
    // The secret is not what a named key is, and the other way round.
    let claims = claims(&provider.clock);
    let named = hs256(SECRET.as_bytes(), &json!({"alg": "HS256", "kid": "e"}), &claims);
    assert_eq!(auth.check(&named), Err(Refusal::Invalid));
    assert_eq!(auth.check(&ec.sign(&json!({"alg": "ES256"}), &claims)), Err(Refusal::Invalid));
}

#[tokio::test(start_paused = true)]
async fn keys_are_rotated_in_the_file() {
    let (old, new) = (Signing::es256(), Signing::es256());
    let provider = Provider::of(&[old.jwk("old")]);
    let auth = provider.authenticator(&[]);
    let by_old = provider.token(&old, "ES256", "old");
    let by_new = provider.token(&new, "ES256", "new-key");
    assert_eq!(subject(auth.check_again(&by_old).await).unwrap(), "ada");
    assert_eq!(auth.check_again(&by_new).await, Err(Refusal::UnknownKey));
    provider.publish(&json!({ "keys": [new.jwk("new-key")] }).to_string());
    // Not read again at once: anybody can send a token that names an unknown key.
    assert_eq!(auth.check_again(&by_new).await, Err(Refusal::UnknownKey));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(subject(auth.check_again(&by_new).await).unwrap(), "ada");
    // Withdrawn, although it was verified before.
    assert_eq!(auth.check(&by_old), Err(Refusal::UnknownKey));
    for broken in ["", "{\"keys\":[]}", "half a fi"] {
        provider.publish(broken);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!auth.refresh(source::Wanted::Regularly).await);
        assert_eq!(subject(auth.check(&by_new)).unwrap(), "ada", "the last good ones are kept");
    }
}

#[test]
fn a_key_set_that_cannot_be_used_keeps_a_process_from_starting() {
    let from = |flags: &[&str]| {
        Authenticator::from_args(&args(flags), &Trust::default(), Arc::new(ManualClock::default()))
    };
    let provider = Provider::of(&[]);
    let path = provider.file.path().to_str().unwrap();
    assert!(matches!(from(&["--jwks-file", path]), Err(AuthError::Source(SourceError::Invalid(..)))));
    assert!(matches!(from(&["--jwks-file", "/nowhere"]), Err(AuthError::Source(SourceError::File { .. }))));
    assert!(matches!(from(&["--jwks-url", "http://id.example/keys"]), Err(AuthError::Url(_))));
    let both = ["--jwks-file", path, "--jwks-url", "https://id.example/keys"];
    assert!(matches!(from(&both), Err(AuthError::TwoKeySets)));
    assert!(from(&[]).unwrap().is_none());
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed() {
    let ec = Signing::es256();
    let document = json!({ "keys": [ec.jwk("e")] }).to_string();
    let router = Router::new()
        .route("/keys", get(async move || document))
        .route("/moved", get(async || axum::response::Redirect::to("/keys")));
    let lifecycle = Lifecycle::new(Duration::from_secs(1));
    let server = HttpServer::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default()).await.unwrap();
    let addr = server.local_addr();
    server.serve(finish(router, HttpOptions::default()), &lifecycle);
    let clock = ManualClock::default();
    let auth = |path: &str| {
        let url = format!("http://{addr}{path}");
        let args = args(&["--jwks-url", &url]);
        Authenticator::from_args(&args, &Trust::default(), Arc::new(clock.clone())).unwrap().unwrap()
    };
    let token = ec.sign(&json!({"alg": "ES256", "kid": "e"}), &claims(&clock));
    let good = auth("/keys");
    assert_eq!(good.check(&token), Err(Refusal::NoKeys));
    assert_eq!(subject(good.check_again(&token).await).unwrap(), "ada");
    for wrong in ["/moved", "/nothing"] {
        assert_eq!(auth(wrong).check_again(&token).await, Err(Refusal::NoKeys), "{wrong}");
    }
    lifecycle.shutdown();
    lifecycle.wait().await;
}

#[tokio::test]
async fn keys_come_over_tls_from_whom_an_authority_of_ones_own_vouches_for() {
    let ec = Signing::es256();
    let document = json!({ "keys": [ec.jwk("e")] }).to_string();
    let folder = tempfile::tempdir().unwrap();
    crate::tls::tests::pair(folder.path());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| Some(folder.path().join(name)));
    let args_of_tls = TlsArgs { tls_cert_file: cert, tls_key_file: key };
    let tls = Tls::from_args(&args_of_tls).unwrap();
    let lifecycle = Lifecycle::new(Duration::from_secs(1));
    let options = ServerOptions { tls, ..ServerOptions::default() };
    let server = HttpServer::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    let url = format!("https://localhost:{}/keys", server.local_addr().port());
    let router = Router::new().route("/keys", get(async move || document));
    server.serve(finish(router, HttpOptions::default()), &lifecycle);
    let clock = ManualClock::default();
    let token = ec.sign(&json!({"alg": "ES256", "kid": "e"}), &claims(&clock));
    let believing = |trust: &Trust| {
        let args = args(&["--jwks-url", &url]);
        Authenticator::from_args(&args, trust, Arc::new(clock.clone())).unwrap().unwrap()
    };
    let own = Trust::configured(folder.path().join("cert.pem").to_str().unwrap()).unwrap();
    assert_eq!(subject(believing(&own).check_again(&token).await).unwrap(), "ada");
    assert_eq!(believing(&Trust::default()).check_again(&token).await, Err(Refusal::NoKeys));
    lifecycle.shutdown();
    lifecycle.wait().await;
}

#[test]
fn nobody_starts_open_to_the_world() {
    let [loopback, public] = ["127.0.0.1:1", "0.0.0.0:1"].map(|addr| addr.parse::<SocketAddr>().unwrap());
    let refused = refuse_open(None, &args(&[]), [loopback, public]).unwrap_err().to_string();
    for named in ["0.0.0.0:1", "ACCESS_TOKEN_SECRET", "JWKS_FILE", "ALLOW_OPEN_ACCESS"] {
        assert!(refused.contains(named), "{refused}");
    }
    refuse_open(None, &args(&[]), [loopback]).unwrap();
    refuse_open(None, &args(&["--allow-open-access"]), [public]).unwrap();
    refuse_open(None, &args(&["--allow-open-access", "true"]), [public]).unwrap();
    assert!(refuse_open(None, &args(&["--allow-open-access", "false"]), [public]).is_err());
    let auth = authenticator(Arc::new(ManualClock::default()));
    refuse_open(Some(&auth), &with_secret(), [public]).unwrap();
}
