package allowlisttest

const SharedKeys = "endpoint.encryption.request.cipher.shared_key.keys"
