//! The path of an OCSP request by GET: what is decoded has a path of its own that decodes to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    let mut room = [0; 192];
    let into = ocsp::get_path_into(path, &mut room);
    let Ok(der) = ocsp::get_path_to_der(path) else {
        assert!(into.is_err());
        return;
    };
    assert_eq!(into.ok(), (der.len() <= 192).then_some(der.as_slice()));
    assert!(der.len() <= path.len());
    // A leading octet of 0xfc to 0xff is written with a leading slash, which is not the request's own.
    if der[0] < 0xfc {
        assert_eq!(ocsp::get_path_to_der(&ocsp::der_to_get_path(&der)), Ok(der));
    }
});
