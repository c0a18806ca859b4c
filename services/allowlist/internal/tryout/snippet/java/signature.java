  static boolean verifyRsa(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withRSA"), publicKey("RSA", pem), data, signature);
  }

  static boolean verifyPss(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    Signature verifier = Signature.getInstance("RSASSA-PSS");
    int salt = MessageDigest.getInstance(hash).getDigestLength();
    verifier.setParameter(new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), salt, 1));
    return verify(verifier, publicKey("RSA", pem), data, signature);
  }

  /** ECDSA with the signature in DER. */
  static boolean verifyEcdsa(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withECDSA"), publicKey("EC", pem), data, signature);
  }

  /** ECDSA with the signature as r followed by s. */
  static boolean verifyEcdsaP1363(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withECDSAinP1363Format"), publicKey("EC", pem), data, signature);
  }

  static boolean verifyEd25519(String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance("Ed25519"), publicKey("Ed25519", pem), data, signature);
  }

  static boolean verify(Signature verifier, PublicKey key, byte[] data, byte[] signature) throws Exception {
    verifier.initVerify(key);
    verifier.update(data);
    return verifier.verify(signature);
  }
