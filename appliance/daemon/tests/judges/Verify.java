// Judges a certificate with Java's CertPathValidator, revocation checking on.
// Usage: java Verify.java ocsp|crl ROOT.pem ISSUING.pem LEAF.pem
// Prints "good" (exit 0), "revoked REASON" (exit 3) or "invalid MESSAGE" (exit 4).
import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;

public class Verify {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("crl")) System.setProperty("com.sun.security.enableCRLDP", "true");
        if (args[0].equals("ocsp")) System.setProperty("jdk.security.certpath.ocspNonce", "true");
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = read(factory, args[1]);
        CertPath path = factory.generateCertPath(List.of(read(factory, args[3]), read(factory, args[2])));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        EnumSet<PKIXRevocationChecker.Option> options = EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK);
        if (args[0].equals("crl")) options.add(PKIXRevocationChecker.Option.PREFER_CRLS);
        checker.setOptions(options);
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(path, parameters);
            System.out.println("good");
        } catch (CertPathValidatorException refused) {
            if (refused.getReason() == CertPathValidatorException.BasicReason.REVOKED) {
                CertificateRevokedException revoked = (CertificateRevokedException) refused.getCause();
                System.out.println("revoked " + revoked.getRevocationReason());
                System.exit(3);
            }
            System.out.println("invalid " + refused.getMessage());
            System.exit(4);
        }
    }

    static X509Certificate read(CertificateFactory factory, String file) throws Exception {
        try (FileInputStream in = new FileInputStream(file)) {
            return (X509Certificate) factory.generateCertificate(in);
        }
    }
}
