function verifyRsa(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, publicKey, signature);
}

function verifyPss(hash, publicKey, data, signature) {
  const options = { key: publicKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
  return crypto.verify(hash, data, options, signature);
}

// ECDSA with the signature in DER.
function verifyEcdsa(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, publicKey, signature);
}

// ECDSA with the signature as r followed by s.
function verifyEcdsaP1363(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function verifyEd25519(publicKey, data, signature) {
  return crypto.verify(null, data, publicKey, signature);
}
