//! What the certificates of an issuer have in common, kept for each profile and shard.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use pki::profile::{IssuerView, Profile, Template};

/// Those of sixteen profiles and as many shards as a CA can have; with more in use they are made anew.
const MOST: usize = 16 * 1024;

/// Templates by profile and shard.
#[derive(Debug, Default)]
pub(crate) struct Templates(RwLock<HashMap<Key, Kept>>);

#[derive(Debug, Eq, Hash, PartialEq)]
struct Key {
    /// The address of the profile, which the template keeps from being anybody else's.
    profile: usize,
    shard: u32,
}

#[derive(Debug)]
struct Kept {
    /// What the view of the template was made of.
    view: Arc<IssuerView>,
    template: Arc<Template>,
}

impl Templates {
    /// The template of a profile and an issuer's view for the certificates of a shard; `seen_from` makes the view that they
    /// carry. Another profile or view of the same name has another template.
    pub(crate) fn of(
        &self,
        profile: &Arc<Profile>,
        view: &Arc<IssuerView>,
        shard: u32,
        seen_from: impl FnOnce() -> Arc<IssuerView>,
    ) -> Arc<Template> {
        let key = Key {
            profile: Arc::as_ptr(profile).addr(),
            shard,
        };
        if let Some(kept) = self.0.read().get(&key)
            && Arc::ptr_eq(&kept.view, view)
        {
            return Arc::clone(&kept.template);
        }
        let template = Arc::new(Template::new(Arc::clone(profile), seen_from()));
        let kept = Kept {
            view: Arc::clone(view),
            template: Arc::clone(&template),
        };
        let mut all = self.0.write();
        // Those of profiles and views that were replaced are of no use any more.
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, kept);
        template
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use pki::profile::Order;
    use pki::{Csr, SignatureAlgorithm};

    use super::*;

    /// The view of an authority with the key of a request.
    fn view() -> IssuerView {
        let request = Csr::parse(include_bytes!("../testdata/request.pem")).unwrap();
        let order = Order {
            subject: "CN=Issuing".parse().unwrap(),
            names: Vec::new(),
            public_key: request.public_key().clone(),
            validity: None,
            ms_sid: None,
        };
        let root = Profile::ready_named("root").unwrap();
        IssuerView::self_signed(root, &order, SignatureAlgorithm::EcdsaSha256).unwrap()
    }

    #[test]
    fn a_template_serves_its_profile_view_and_shard_alone() {
        let templates = Templates::default();
        let profile = Arc::new(Profile::ready_named("tls-server").unwrap().clone());
        let view = Arc::new(view());
        let of = |profile: &Arc<Profile>, view: &Arc<IssuerView>, shard| {
            templates.of(profile, view, shard, || Arc::clone(view))
        };
        let first = of(&profile, &view, 0);
        assert!(Arc::ptr_eq(&first, &of(&profile, &view, 0)));
        assert!(!Arc::ptr_eq(&first, &of(&profile, &view, 1)), "another shard");
        let changed = Arc::new(IssuerView::clone(&view));
        let second = of(&profile, &changed, 0);
        assert!(Arc::ptr_eq(second.issuer(), &changed), "the issuer was changed");
        let edited = Arc::new(Profile::clone(&profile));
        assert!(
            Arc::ptr_eq(of(&edited, &changed, 0).profile(), &edited),
            "the profile was changed"
        );
        for _ in 0..2 * MOST {
            let another = Arc::new(Profile::clone(&profile));
            of(&another, &changed, 0);
            assert!(templates.0.read().len() <= MOST);
        }
    }
}
