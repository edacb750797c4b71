// Checks signals with what others wrote: the reference library of Standard Webhooks, node's own ed25519, and jose. It reads
// {webhooks: [{secret, public, headers, body}], tokens: {jwks, issuer, audience, all: [token]}} from standard input, and each must
// also be refused once it is altered.
import { createPublicKey, verify } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { Webhook } from 'standardwebhooks';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const given = JSON.parse(Buffer.concat(chunks).toString('utf8'));

const refused = async (what, f) => {
  try {
    await f();
  } catch {
    return;
  }
  throw new Error(`${what} was taken`);
};
const flip = (text) => text.slice(0, -2) + (text.at(-2) === 'A' ? 'B' : 'A') + text.at(-1);

for (const w of given.webhooks) {
  const library = new Webhook(w.secret);
  library.verify(w.body, w.headers);
  await refused('another body', () => library.verify(`${w.body} `, w.headers));
  await refused('another id', () => library.verify(w.body, { ...w.headers, 'webhook-id': 'dlv_other' }));
  await refused('an old message', () => library.verify(w.body, { ...w.headers, 'webhook-timestamp': '1614265330' }));

  const raw = Buffer.from(w.public.slice('whpk_'.length), 'base64');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' });
  const signature = w.headers['webhook-signature'].split(' ').find((s) => s.startsWith('v1a,')).slice('v1a,'.length);
  const content = `${w.headers['webhook-id']}.${w.headers['webhook-timestamp']}.${w.body}`;
  if (!verify(null, Buffer.from(content), key, Buffer.from(signature, 'base64'))) throw new Error('v1a does not verify');
  if (verify(null, Buffer.from(`${content} `), key, Buffer.from(signature, 'base64'))) throw new Error('v1a verifies another body');
}

const { jwks, issuer, audience, all } = given.tokens;
const keys = createLocalJWKSet(jwks);
const expect = { issuer, audience, typ: 'secevent+jwt', algorithms: ['RS256'] };
for (const token of all) {
  const { payload, protectedHeader } = await jwtVerify(token, keys, expect);
  if ('exp' in payload || 'sub' in payload) throw new Error('exp or sub in a token');
  if (Object.keys(payload.events).length !== 1) throw new Error('not exactly one event');
  if (!payload.sub_id?.format || !payload.txn || !payload.jti || !payload.iat) throw new Error('a claim is missing');
  if (jwks.keys.find((k) => k.kid === protectedHeader.kid)?.kty !== 'RSA') throw new Error('the key is not published');
  await refused('an altered token', () => jwtVerify(flip(token), keys, expect));
  await refused('another audience', () => jwtVerify(token, keys, { ...expect, audience: 'https://elsewhere.example.com' }));
  await refused('another type', () => jwtVerify(token, keys, { ...expect, typ: 'JWT' }));
}
console.log(`${given.webhooks.length} webhooks and ${all.length} tokens verify, and are refused once altered`);
