// An OpenID provider that nobody here wrote (npm oidc-provider), on a port that the system chooses: it tells the port in a line, and
// ends with its standard input. Two clients may ask for tokens about themselves: one by a secret, one by a signed assertion.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [secret, clientKey] = process.argv.slice(-2);
const signing = (type, options, more) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  ...more,
});
const client = {
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
};

const server = createServer().listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    jwks: {
      keys: [
        signing('rsa', { modulusLength: 2048 }, { kid: 'rsa', alg: 'RS256' }),
        signing('ec', { namedCurve: 'P-256' }, { kid: 'ec', alg: 'ES256' }),
      ],
    },
    clients: [
      { ...client, client_id: 'web01', client_secret: secret, token_endpoint_auth_method: 'client_secret_post' },
      {
        ...client,
        client_id: 'web02',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [JSON.parse(clientKey)] },
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: '',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: resource.endsWith('/ec') ? 'ES256' : 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(`listening ${port}`);
});
process.stdin.resume().on('end', () => process.exit(0));
