//! The table of what is measured.

use std::rc::Rc;

use anyhow::Result;

use crate::bed::Bed;
use crate::{certificate, crl, ocsp, status};

/// Does an operation so many times; fails when it did not do what it is measured for.
pub(crate) type Run = Box<dyn FnMut(u64) -> Result<()>>;

/// Something that is done at volume.
pub(crate) struct Operation {
    /// What the reports and `bench/instructions.toml` call it.
    pub(crate) name: &'static str,
    /// Makes everything around it, which is not measured.
    pub(crate) prepare: fn(&Rc<Bed>) -> Result<Run>,
    /// Whether it has something signed each time. An answer that is at hand is not signed, one that is not at hand is: so it is
    /// seen that what was measured is what its name says.
    pub(crate) signs: bool,
    /// How often it is done when its instructions are counted; they are not when absent.
    pub(crate) counted: Option<u64>,
}

/// Every operation.
pub(crate) const OPERATIONS: &[Operation] = &[
    of("ocsp_parse_get", ocsp::parse_get),
    of("ocsp_parse_post", ocsp::parse_post),
    of("ocsp_parse_nonce", ocsp::parse_nonce),
    counted("ocsp_hit_get", ocsp::hit_get, 1000),
    counted("ocsp_hit_post", ocsp::hit_post, 1000),
    counted("ocsp_look_up", ocsp::look_up, 1000),
    Operation {
        signs: true,
        ..counted("ocsp_miss", ocsp::miss, ocsp::MISSES)
    },
    of("ocsp_answer_build", ocsp::build),
    of("status_index_10k", status::ten_thousand),
    of("status_index_1m", status::million),
    of("csr_check", certificate::check),
    counted("certificate_tbs", certificate::build, 200),
    counted("certificate_lint", certificate::lint, 200),
    counted("crl_entry", crl::append, 500),
    of("crl_assembly_10k", crl::assemble),
];

const fn of(name: &'static str, prepare: fn(&Rc<Bed>) -> Result<Run>) -> Operation {
    Operation {
        name,
        prepare,
        signs: false,
        counted: None,
    }
}

const fn counted(name: &'static str, prepare: fn(&Rc<Bed>) -> Result<Run>, times: u64) -> Operation {
    Operation {
        counted: Some(times),
        ..of(name, prepare)
    }
}
