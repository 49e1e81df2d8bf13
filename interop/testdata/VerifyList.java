import java.io.File;
import java.io.FileInputStream;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/** Verifies the signatures of lists with the key of a certificate: VerifyList SIGNER LIST... */
public class VerifyList {
    public static void main(String[] args) throws Exception {
        X509Certificate signer = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[0]));
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        for (String name : Arrays.copyOfRange(args, 1, args.length)) {
            Document document = factory.newDocumentBuilder().parse(new File(name));
            Element element = (Element) document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
            DOMValidateContext context = new DOMValidateContext(signer.getPublicKey(), element);
            context.setProperty("org.jcp.xml.dsig.secureValidation", true);
            Element properties = (Element) document.getElementsByTagNameNS("http://uri.etsi.org/01903/v1.3.2#", "SignedProperties").item(0);
            context.setIdAttributeNS(properties, null, "Id");
            XMLSignature signature = XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context);
            StringBuilder said = new StringBuilder("value " + signature.getSignatureValue().validate(context));
            for (Object reference : signature.getSignedInfo().getReferences()) {
                said.append(", ").append(((Reference) reference).validate(context));
            }
            System.out.println(new File(name).getName() + ": " + said + ", " + signature.getSignedInfo().getSignatureMethod().getAlgorithm());
        }
    }
}
