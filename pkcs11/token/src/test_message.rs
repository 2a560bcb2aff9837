//! What a test signature is made over.
//!
//! A signature that nobody asked for must never be one that somebody can use: so it is always over the same octets, which are no
//! certificate, no list, no answer and no request (all of them are DER and begin with a SEQUENCE), and nobody else has a say in them.

/// The message of every test signature.
pub const TEST_MESSAGE: &[u8] = b"chancery test signature";

#[cfg(test)]
mod tests {
    use super::TEST_MESSAGE;

    #[test]
    fn it_is_nothing_that_is_signed_otherwise() {
        const SEQUENCE: u8 = 0x30;
        assert!(TEST_MESSAGE.starts_with(b"chancery test signature"));
        assert_ne!(TEST_MESSAGE.first(), Some(&SEQUENCE));
    }
}
