import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;

/** Validates a certificate below a trust anchor with lists from files: Validate ROOT LEAF LIST... */
public class Validate {
    public static void main(String[] args) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = (X509Certificate) factory.generateCertificate(new FileInputStream(args[0]));
        X509Certificate leaf = (X509Certificate) factory.generateCertificate(new FileInputStream(args[1]));
        List<Object> lists = new ArrayList<>();
        for (String name : Arrays.copyOfRange(args, 2, args.length)) {
            X509CRL list = (X509CRL) factory.generateCRL(new FileInputStream(name));
            list.verify(root.getPublicKey());
            X509CRLEntry entry = list.getRevokedCertificate(leaf.getSerialNumber());
            System.out.println("list " + (entry == null ? "has not" : "has " + entry.getRevocationReason())
                + ", critical " + list.getCriticalExtensionOIDs());
            lists.add(list);
        }
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(factory.generateCertPath(List.of(leaf)), parameters);
            System.out.println("valid");
        } catch (CertPathValidatorException e) {
            System.out.println("refused: " + e.getReason() + ": " + e.getMessage());
        }
    }
}
