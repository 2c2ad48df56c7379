//! Registry credentials, as the Docker client keeps them: `config.json` and its credential helpers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest, GetTokenAuthorityResponse,
    VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use tokio::io::AsyncWriteExt;
use tonic::{Request, Response, Status};

/// The user name that means that the secret is an identity token.
pub(crate) const TOKEN_USER: &str = "<token>";

/// Looks credentials up when they are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The folder of `config.json`.
    pub(crate) folder: Option<PathBuf>,
    /// The address under which the Docker client files what belongs to the engine's default registry, from the engine itself.
    pub(crate) index: Option<String>,
}

/// A user's name and password at a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) secret: String,
}

#[derive(Default, serde::Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers", default)]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, serde::Deserialize)]
struct Entry {
    auth: Option<String>,
    identitytoken: Option<String>,
}

impl Credentials {
    /// What is known for a registry's host; `None` means anonymous. A missing or broken configuration is anonymous too, as it is for the
    /// Docker client.
    pub(crate) async fn login(&self, host: &str) -> Option<Login> {
        let bytes = tokio::fs::read(self.folder.as_ref()?.join("config.json")).await.ok()?;
        let config: Config = serde_json::from_slice(&bytes).ok()?;
        for name in self.names(host, &config) {
            let helper = config.helpers.get(&name).or(config.store.as_ref());
            if let Some(helper) = helper
                && let Some(login) = ask(helper, &name).await
            {
                return Some(login);
            }
            if let Some(login) = config.auths.get(&name).and_then(login_of) {
                return Some(login);
            }
        }
        None
    }

    /// The names under which a host's credentials may be filed.
    fn names(&self, host: &str, config: &Config) -> Vec<String> {
        let mut names = vec![host.to_owned()];
        names.extend(config.auths.keys().chain(config.helpers.keys()).filter(|key| host_of(key) == host && *key != host).cloned());
        // The default registry answers under several hosts of one domain, but is filed under one address.
        if let Some(index) = &self.index
            && domain_of(host_of(index)) == domain_of(host)
        {
            names.push(index.clone());
        }
        names
    }
}

/// `https://host/v1/` to `host`.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The last two labels of a host.
fn domain_of(host: &str) -> &str {
    host.rmatch_indices('.').nth(1).map_or(host, |(dot, _)| &host[dot + 1..])
}

fn login_of(entry: &Entry) -> Option<Login> {
    if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.is_empty()) {
        return Some(Login { user: TOKEN_USER.to_owned(), secret: token.clone() });
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(entry.auth.as_ref()?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some(Login { user: user.to_owned(), secret: secret.trim_end_matches('\0').to_owned() })
}

/// Asks a credential helper; one that fails or knows nothing is `None`.
async fn ask(helper: &str, server: &str) -> Option<Login> {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(rename = "Username")]
        user: String,
        #[serde(rename = "Secret")]
        secret: String,
    }
    let mut command = tokio::process::Command::new(format!("docker-credential-{helper}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let mut input = child.stdin.take()?;
    input.write_all(server.as_bytes()).await.ok()?;
    drop(input);
    let output = child.wait_with_output().await.ok()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success())?;
    Some(Login { user: answer.user, secret: answer.secret })
}

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(&self, request: Request<CredentialsRequest>) -> Result<Response<CredentialsResponse>, Status> {
        let login = self.login(&request.into_inner().host).await.unwrap_or_default();
        let user = if login.user == TOKEN_USER { String::new() } else { login.user };
        Ok(Response::new(CredentialsResponse { username: user, secret: login.secret }))
    }

    async fn fetch_token(&self, _request: Request<FetchTokenRequest>) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _request: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _request: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("the engine fetches tokens itself"))
    }
}
