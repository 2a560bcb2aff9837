//! The appliance as one file of configuration reaches it: signed in at most once in a process, whatever number of certificates the file has.
//! The same goes for the PIN of a token: one that was rejected is not tried for the next certificate.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::auth::environment::ProcessEnvironment;
use crate::auth::{Method, Places};
use crate::client::{Client, Clock, Courier, Principal, Settings};
use crate::config::{Auth, CertificateSettings, KeyProvider};
use crate::failure::Failure;
use crate::hook::{self, HookSettings};
use crate::token_key::TokenKeys;

/// The appliance as one file reaches it.
#[derive(Debug)]
pub struct Site {
    /// With a credential, the client is the courier's.
    courier: Option<Courier>,
    /// Without one.
    client: Option<Client>,
    clock: Clock,
    config: PathBuf,
    on_failure: Option<HookSettings>,
    facts: BTreeMap<String, String>,
    failed: Cell<Option<u8>>,
    is_in: Cell<bool>,
    /// Tokens that rejected the PIN.
    rejected: RefCell<BTreeSet<String>>,
}

impl Site {
    /// Prepares the connection; nothing is sent. Without a section `api`, or with `method: none`, no command gets through.
    pub fn new(config: &Path, api: Option<Settings>, auth: Option<Auth>) -> Result<Self, Failure> {
        let clock = api.as_ref().map_or_else(Clock::system, |api| api.clock.clone());
        let mut facts = BTreeMap::new();
        facts.insert("COURIER_CONFIG".to_owned(), config.display().to_string());
        let mut site = Self {
            courier: None,
            client: None,
            clock,
            config: config.to_path_buf(),
            on_failure: None,
            facts,
            failed: Cell::new(None),
            is_in: Cell::new(false),
            rejected: RefCell::default(),
        };
        let Some(mut api) = api else { return Ok(site) };
        if let Some(Method::Certificate(settings)) = auth.as_ref().map(|auth| &auth.method)
            && settings.mutual_tls
        {
            api.identity = Some(settings.clone());
        }
        let client = Client::new(api)?;
        let Some(auth) = auth else {
            site.client = Some(client);
            return Ok(site);
        };
        site.facts
            .insert("COURIER_UUID".to_owned(), auth.uuid.to_string());
        site.facts
            .insert("COURIER_AUTH_METHOD".to_owned(), auth.method.name().to_owned());
        site.on_failure = auth.on_failure;
        for warning in auth.method.warnings() {
            tracing::warn!("{warning}");
        }
        let principal = Principal {
            uuid: auth.uuid,
            method: auth.method,
            environment: Box::new(ProcessEnvironment),
            places: Places::default(),
            has_proof: true,
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        site.courier = Some(Courier::new(client, principal));
        Ok(site)
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// What every hook is told.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }

    /// The connection, for what anybody may ask.
    pub fn client(&self) -> Result<&Client, Failure> {
        let client = self
            .courier
            .as_ref()
            .map(Courier::client)
            .or(self.client.as_ref());
        client.ok_or_else(|| {
            Failure::Usage(
                "this needs the appliance: the file does not say where it is (`api.base_url`)".to_owned(),
            )
        })
    }

    /// The courier, signed in. The hook of a failure runs once, before this returns.
    pub async fn courier(&self) -> Result<&Courier, Failure> {
        let Some(courier) = &self.courier else {
            // Without an address nobody is asked to sign in.
            self.client()?;
            return Err(Failure::Usage(
                "this needs a courier: the file has no section `auth`, or `auth.method` is `none`".to_owned(),
            ));
        };
        if self.is_in.get() {
            return Ok(courier);
        }
        if let Some(code) = self.failed.get() {
            return Err(Failure::SignedOut(code));
        }
        match courier.sign_in().await {
            Ok(()) => {
                self.is_in.set(true);
                Ok(courier)
            }
            Err(fault) => {
                let failure = Failure::from(fault);
                self.failed.set(Some(failure.exit_code()));
                self.mourn(&failure).await;
                Err(failure)
            }
        }
    }

    /// The token that the keys of a certificate are made in. The vendor's library is loaded here and nowhere else.
    pub fn open_token(&self, settings: &CertificateSettings) -> Result<Rc<TokenKeys>, Failure> {
        let KeyProvider::Pkcs11(wanted) = &settings.key.provider else {
            return Err(Failure::Usage(
                "the key is in a token, and `key.provider` names none".to_owned(),
            ));
        };
        let place = format!("{} {}", wanted.module.display(), wanted.place);
        if self.rejected.borrow().contains(&place) {
            return Err(Failure::Config(format!(
                "the {} rejected the PIN before in this run, and it is not tried again",
                wanted.place
            )));
        }
        match TokenKeys::open(wanted, &settings.state_dir) {
            Ok(keys) => Ok(Rc::new(keys)),
            Err(error) => {
                if matches!(error, token::Error::PinRejected { .. }) {
                    self.rejected.borrow_mut().insert(place);
                }
                Err(error.into())
            }
        }
    }

    /// Ends the session, where there is one.
    pub async fn leave(&self) {
        if let Some(courier) = &self.courier
            && self.is_in.replace(false)
        {
            courier.sign_out().await;
        }
    }

    /// `auth.on_failure`: its own failure is a warning and changes nothing.
    async fn mourn(&self, failure: &Failure) {
        let Some(settings) = &self.on_failure else { return };
        let mut facts = self.facts.clone();
        facts.insert("COURIER_ERROR_CODE".to_owned(), failure.code());
        facts.insert("COURIER_ERROR_MESSAGE".to_owned(), failure.told());
        if let Some(id) = failure.request_id() {
            facts.insert("COURIER_REQUEST_ID".to_owned(), id);
        }
        match hook::run(settings, "auth_failure", &facts).await {
            Ok(outcome) if outcome.is_success() => {}
            Ok(outcome) => tracing::warn!(
                exit_code = outcome.exit_code,
                timed_out = outcome.timed_out,
                output = outcome.output_tail,
                "the hook auth.on_failure failed"
            ),
            Err(fault) => tracing::warn!(%fault, "the hook auth.on_failure was not run"),
        }
    }
}
