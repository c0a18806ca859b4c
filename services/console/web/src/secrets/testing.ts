/** An X25519 key pair from its bytes, for known-answer tests. */
export async function pairOf(privateKey: Uint8Array, publicKey: Uint8Array<ArrayBuffer>): Promise<CryptoKeyPair> {
  // PKCS #8 is this prefix followed by the bytes (RFC 8410).
  const pkcs8 = Uint8Array.from([...Buffer.from("302e020100300506032b656e04220420", "hex"), ...privateKey]);
  return {
    privateKey: await crypto.subtle.importKey("pkcs8", pkcs8, "X25519", false, ["deriveBits"]),
    publicKey: await crypto.subtle.importKey("raw", publicKey, "X25519", true, []),
  };
}
