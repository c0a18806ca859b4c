import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;

/** Answers each line of standard input with one: what Java's cryptography makes. */
public class Jce {
  public static void main(String[] args) throws Exception {
    var input = new BufferedReader(new InputStreamReader(System.in));
    for (String line; (line = input.readLine()) != null; ) {
      String[] w = line.split(" ");
      for (int i = 0; i < w.length; i++) if (w[i].equals("-")) w[i] = "";
      try {
        String answer = HexFormat.of().formatHex(answer(w));
        System.out.println(answer.isEmpty() ? "-" : answer);
      } catch (Exception e) {
        System.out.println("!" + e);
      }
    }
  }

  static byte[] hex(String s) { return HexFormat.of().parseHex(s); }

  static byte[] answer(String[] w) throws Exception {
    switch (w[0]) {
      case "seal": return content(Cipher.ENCRYPT_MODE, w);
      case "open": return content(Cipher.DECRYPT_MODE, w);
      case "digest": return MessageDigest.getInstance(hash(w[1])).digest(hex(w[2]));
      case "hmac": {
        Mac mac = Mac.getInstance("Hmac" + w[1].toUpperCase());
        mac.init(new SecretKeySpec(hex(w[2]), "HMAC"));
        return mac.doFinal(hex(w[3]));
      }
      case "pbkdf2": {
        // Java's passphrases are characters; those of the tests are ASCII.
        var spec = new PBEKeySpec(new String(hex(w[4])).toCharArray(), hex(w[5]), Integer.parseInt(w[2]), Integer.parseInt(w[3]) * 8);
        return SecretKeyFactory.getInstance("PBKDF2WithHmac" + w[1].toUpperCase()).generateSecret(spec).getEncoded();
      }
      case "wrap": {
        PublicKey key = KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(hex(w[4])));
        return rsa(w[1], w[2], hex(w[3]), Cipher.ENCRYPT_MODE, key).doFinal(hex(w[5]));
      }
      case "unwrap": {
        PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(hex(w[4])));
        return rsa(w[1], w[2], hex(w[3]), Cipher.DECRYPT_MODE, key).doFinal(hex(w[5]));
      }
      case "to-lines": return Base64.getMimeEncoder().encode(hex(w[1]));
      case "from-lines": return Base64.getMimeDecoder().decode(hex(w[1]));
      case "wrap-aes": {
        Cipher c = Cipher.getInstance("AESWrap");
        c.init(Cipher.WRAP_MODE, new SecretKeySpec(hex(w[1]), "AES"));
        return c.wrap(new SecretKeySpec(hex(w[2]), "AES"));
      }
      case "unwrap-aes": {
        Cipher c = Cipher.getInstance("AESWrap");
        c.init(Cipher.UNWRAP_MODE, new SecretKeySpec(hex(w[1]), "AES"));
        return ((SecretKey) c.unwrap(hex(w[2]), "AES", Cipher.SECRET_KEY)).getEncoded();
      }
      case "sign": {
        Signature s = signature(w[1], w[2], w[3]);
        s.initSign(KeyFactory.getInstance(family(w[1])).generatePrivate(new PKCS8EncodedKeySpec(hex(w[4]))));
        s.update(hex(w[5]));
        return s.sign();
      }
      case "verify": {
        Signature s = signature(w[1], w[2], w[3]);
        s.initVerify(KeyFactory.getInstance(family(w[1])).generatePublic(new X509EncodedKeySpec(hex(w[4]))));
        s.update(hex(w[5]));
        return s.verify(hex(w[6])) ? new byte[1] : new byte[0];
      }
      default: throw new IllegalArgumentException(w[0]);
    }
  }

  /** MD5, SHA-1, SHA-256 ... */
  static String hash(String name) { return name.toUpperCase().replace("SHA", "SHA-"); }

  static String family(String type) { return type.equals("rsa") ? "RSA" : type.equals("ec") ? "EC" : "Ed25519"; }

  static byte[] content(int mode, String[] w) throws Exception {
    boolean des = w[1].startsWith("3DES"), chacha = w[1].startsWith("CHACHA");
    String chaining = w[1].substring(w[1].lastIndexOf('-') + 1);
    boolean gcm = chaining.equals("GCM"), blocks = chaining.equals("CBC") || chaining.equals("ECB");
    String padding = blocks && w[2].equals("pkcs7") ? "PKCS5Padding" : "NoPadding";
    byte[] key = hex(w[4]);
    if (des && key.length == 16) key = concat(key, Arrays.copyOf(key, 8));
    String family = des ? "DESede" : chacha ? "ChaCha20" : "AES";
    Cipher c = Cipher.getInstance(chacha ? "ChaCha20-Poly1305" : family + "/" + chaining + "/" + padding);
    SecretKeySpec spec = new SecretKeySpec(key, family);
    if (gcm) c.init(mode, spec, new GCMParameterSpec(Integer.parseInt(w[3]) * 8, hex(w[5])));
    else if (w[5].isEmpty()) c.init(mode, spec);
    else c.init(mode, spec, new IvParameterSpec(hex(w[5])));
    if (!w[6].isEmpty()) c.updateAAD(hex(w[6]));
    return c.doFinal(w.length > 7 ? hex(w[7]) : new byte[0]);
  }

  static byte[] concat(byte[] a, byte[] b) {
    byte[] c = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, c, a.length, b.length);
    return c;
  }

  static Cipher rsa(String hash, String mgf, byte[] label, int mode, java.security.Key key) throws Exception {
    if (hash.equals("pkcs1")) {
      Cipher c = Cipher.getInstance("RSA/ECB/PKCS1Padding");
      c.init(mode, key);
      return c;
    }
    Cipher c = Cipher.getInstance("RSA/ECB/OAEPPadding");
    c.init(mode, key, new OAEPParameterSpec(hash(hash), "MGF1", new MGF1ParameterSpec(hash(mgf)), new PSource.PSpecified(label)));
    return c;
  }

  static Signature signature(String type, String hash, String how) throws Exception {
    if (type.equals("ed25519")) return Signature.getInstance("Ed25519");
    if (how.equals("pss")) {
      Signature s = Signature.getInstance("RSASSA-PSS");
      int salt = MessageDigest.getInstance(hash(hash)).getDigestLength();
      s.setParameter(new PSSParameterSpec(hash(hash), "MGF1", new MGF1ParameterSpec(hash(hash)), salt, 1));
      return s;
    }
    return Signature.getInstance(hash.toUpperCase() + "with" + (type.equals("rsa") ? "RSA" : how.equals("p1363") ? "ECDSAinP1363Format" : "ECDSA"));
  }
}
