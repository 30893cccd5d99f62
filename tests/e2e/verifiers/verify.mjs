// Verifies access tokens as a service written for Node would, with libraries that know only the issuer's address.
// One token per line on stdin; per token one line of JSON on stdout: what each library said. Its caches are the point,
// so one process lives as long as a test.

import { createInterface } from 'node:readline';
import { JwtVerifier } from 'aws-jwt-verify';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { issuer, audience, jose: caching } = JSON.parse(process.argv[2]);
const jwksUri = `${issuer}/.well-known/jwks.json`;

const remoteKeys = createRemoteJWKSet(new URL(jwksUri), caching);
const awsVerifier = JwtVerifier.create({ issuer, audience, jwksUri });

const libraries = {
  jose: (token) => jwtVerify(token, remoteKeys, { issuer, audience, typ: 'at+jwt' }),
  'aws-jwt-verify': (token) => awsVerifier.verify(token),
};

async function verdict(verify, token) {
  try {
    await verify(token);
    return 'accepted';
  } catch (error) {
    return error.code ?? error.constructor.name;
  }
}

for await (const token of createInterface({ input: process.stdin })) {
  const verdicts = {};
  for (const [name, verify] of Object.entries(libraries)) {
    verdicts[name] = await verdict(verify, token);
  }
  console.log(JSON.stringify(verdicts));
}
