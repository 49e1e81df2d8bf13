import java.io.*;
import java.security.Security;
import java.security.cert.*;
import java.util.*;
import org.bouncycastle.jcajce.PKIXExtendedParameters;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Validates certificates with revocation lists. Each line of the input is a question, its fields separated by tabs: the
 * provider, SUN or BC, and files with the trust anchor, the certificates of the path from its end on, separated by
 * commas, and any number of lists and certificates of who signed them. Each line of the output is an answer: valid, or
 * why not, and in brackets the reasons that the lists give for the certificate at the end.
 */
public class Validate {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String line : new BufferedReader(new InputStreamReader(System.in)).lines().toList()) {
            String[] fields = line.split("\t");
            System.out.println(validate(fields[0], fields[1], fields[2].split(","), Arrays.copyOfRange(fields, 3, fields.length)));
        }
    }

    static String validate(String provider, String anchor, String[] path, String[] names) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", provider);
        X509Certificate root = (X509Certificate) factory.generateCertificate(new FileInputStream(anchor));
        List<X509Certificate> certificates = new ArrayList<>();
        for (String name : path) {
            certificates.add((X509Certificate) factory.generateCertificate(new FileInputStream(name)));
        }
        List<Object> known = new ArrayList<>();
        List<String> reasons = new ArrayList<>();
        for (String name : names) {
            if (!name.endsWith(".crl")) {
                known.add(factory.generateCertificate(new FileInputStream(name)));
                continue;
            }
            X509CRL list = (X509CRL) factory.generateCRL(new FileInputStream(name));
            if (list.getIssuerX500Principal().equals(root.getSubjectX500Principal())) {
                list.verify(root.getPublicKey());
            }
            X509CRLEntry entry = list.getRevokedCertificate(certificates.get(0));
            reasons.add(entry == null ? "none" : String.valueOf(entry.getRevocationReason()));
            known.add(list);
        }
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
        CertPathParameters given = parameters;
        CertPathValidator validator = CertPathValidator.getInstance("PKIX", provider);
        if (provider.equals("BC")) {
            given = new PKIXExtendedParameters.Builder(parameters).setUseDeltasEnabled(true).build();
        } else {
            PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        String answer = "valid";
        try {
            validator.validate(factory.generateCertPath(certificates), given);
        } catch (CertPathValidatorException e) {
            answer = "refused: " + e.getReason() + ": " + e.getMessage().replaceAll("\\s+", " ");
        }
        return answer + " " + reasons;
    }
}
