// A service that sends a payment to a partner and receives the partner's webhooks.
// Keyward protects both; the service holds no key. See examples/README.md.
// Needs Node 20 and no packages.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'

const { KEYWARD_ACCESS: access = '.keyward/access', KEYWARD_JSON: keyward = 'https://127.0.0.1:8443' } = process.env
const { PARTNER: partner = 'http://127.0.0.1:8090', LISTEN: listen = '127.0.0.1:8091' } = process.env
const endpoint = 'workspaces/demo/endpoints/example-partner'
const maxBody = 1 << 20

class KeywardError extends Error {
  constructor(status, error) {
    super(`Keyward answered ${status}: ${error.message}`)
    this.reason = error.details?.find((detail) => detail.reason)?.reason
  }
}

// call calls a method of the endpoint. The token is read each time, since it is renewed.
async function call(method, message) {
  const options = {
    method: 'POST',
    ca: readFileSync(`${access}/ca.pem`),
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${readFileSync(`${access}/sender.token`, 'utf8').trim()}`,
    },
    timeout: 10_000,
  }
  const response = await new Promise((resolve, reject) => {
    const sent = request(`${keyward}/v1/${endpoint}:${method}`, options, resolve)
    sent.on('timeout', () => sent.destroy(new Error('Keyward did not answer in time')))
    sent.on('error', reject).end(JSON.stringify(message))
  })
  const answer = JSON.parse((await read(response)).toString())
  if (response.statusCode !== 200) throw new KeywardError(response.statusCode, answer)
  return answer
}

async function read(stream) {
  const chunks = []
  let size = 0
  for await (const chunk of stream) {
    if ((size += chunk.length) > 2 * maxBody) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

// pay sends a payment and returns the partner's answer, in the clear.
async function pay(payment) {
  const message = await call('encrypt', { body: Buffer.from(JSON.stringify(payment)).toString('base64') })
  const headers = Object.fromEntries((message.headers ?? []).map(({ name, value }) => [name, value]))
  const response = await fetch(`${partner}/v1/payments`, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': message.contentType },
    body: Buffer.from(message.body, 'base64'),
    redirect: 'manual', // A redirect must not carry headers of the message to another host.
    signal: AbortSignal.timeout(10_000),
  })
  if (response.status !== 200) throw new Error(`the partner answered ${response.status}`)
  const body = Buffer.from(await response.arrayBuffer()).toString('base64')
  const plain = await call('decrypt', { body, exchange: message.exchange })
  return Buffer.from(plain.body, 'base64').toString()
}

// webhook receives an event. Decrypting a request also verifies its signature.
async function webhook(request, response) {
  try {
    const body = (await read(request)).toString('base64')
    const event = await call('decrypt', { kind: 'MESSAGE_KIND_REQUEST', body, headers: request.headers })
    console.log(`event: ${Buffer.from(event.body, 'base64')}`)
    response.writeHead(204).end()
  } catch (error) {
    const invalid = ['SIGNATURE_INVALID', 'DECRYPTION_FAILED'].includes(error.reason)
    response.writeHead(invalid ? 401 : 503).end()
  }
}

// Listen first: the webhook may come before the answer.
const [host, port] = listen.split(':')
createServer(webhook).listen(Number(port), host, async () => {
  console.log(`answer: ${await pay({ amount: 100 })}`)
})
