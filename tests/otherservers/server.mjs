// node's oidc-provider as another system: node server.mjs <folder that holds node_modules>
//
// Its own pages ask who somebody is and what they allow; its API, under /api, accepts its access
// tokens. Tests register clients, steer it and read what came, under /control/.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';

const library = pathToFileURL(`${process.argv[2]}/node_modules/oidc-provider/lib/`);
const { default: Provider } = await import(new URL('index.js', library));
const { createMemoryAdapter } = await import(new URL('adapters/memory_adapter.js', library));

const kept = createMemoryAdapter();
const settings = { lifetime: 3600 };
const log = [];

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
const day = 24 * 3600;

const escaped = (words) => words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const page = (title, form) => `<!doctype html><html lang="en"><title>${escaped(title)}</title>
  <link rel="icon" href="data:,"><h1>${escaped(title)}</h1><form method="post">${form}</form></html>`;
const button = (name, value, label) => `<button name="${name}" value="${value}">${label}</button> `;

const provider = new Provider(issuer, {
  adapter: kept,
  cookies: { keys: ['for tests alone'] },
  scopes: ['openid', 'offline_access', 'notes'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: () => settings.lifetime, ClientCredentials: () => settings.lifetime,
    AuthorizationCode: 60, Grant: day, IdToken: 3600, Interaction: 3600, RefreshToken: day, Session: day,
  },
  features: {
    clientCredentials: { enabled: true }, devInteractions: { enabled: false }, revocation: { enabled: true },
  },
  renderError: (ctx, { error, error_description }) => {
    ctx.type = 'html';
    ctx.body = page(`${error}: ${error_description}`, '');
  },
  interactions: { url: (ctx, interaction) => `/walk/${interaction.uid}` },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
});

async function walk(ctx) {
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  if (ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = prompt.name === 'login'
      ? page('Log in', button('login', 'ada', 'Be ada') + button('login', 'ben', 'Be ben'))
      : page(`Allow ${params.client_id}?`, button('allow', 'yes', 'Allow') + button('allow', '', 'Cancel'));
    return;
  }
  const sent = new URLSearchParams(await text(ctx.req));
  let result = { error: 'access_denied', error_description: 'The person said no' };
  if (prompt.name === 'login') result = { login: { accountId: sent.get('login') } };
  else if (sent.get('allow')) {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  ctx.status = 303;
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
}

async function api(ctx, entry) {
  const [, sent] = /^Bearer (.+)$/.exec(ctx.get('Authorization')) ?? [];
  const find = async (kind) => sent && provider[kind].find(sent);
  const token = await find('AccessToken') ?? await find('ClientCredentials');
  const refused = (status, error) => {
    ctx.status = status;
    ctx.set('WWW-Authenticate', `Bearer error="${error}"`);
    ctx.body = { error };
  };
  if (!token?.isValid) return refused(401, 'invalid_token');
  if (ctx.path === '/api/me') ctx.body = { account: token.accountId ?? token.clientId };
  else if (ctx.path !== '/api/notes' || ctx.method !== 'POST') ctx.status = 404;
  else if (!token.scopes.has('notes')) refused(403, 'insufficient_scope');
  else {
    entry.note = JSON.parse(await text(ctx.req)).text;
    ctx.status = 201;
    ctx.body = { kept: true, account: token.accountId };
  }
}

async function control(ctx) {
  const said = ctx.method === 'POST' ? JSON.parse(await text(ctx.req)) : {};
  if (said.reset) log.length = 0;
  if (said.reset) settings.lifetime = 3600;
  if (said.lifetime) settings.lifetime = said.lifetime;
  if (said.client) await kept('Client').upsert(said.client.client_id, said.client);
  ctx.body = { log };
}

provider.use(async (ctx, next) => {
  if (ctx.path === '/control/') return control(ctx);
  const entry = { method: ctx.method, path: ctx.path };
  if (ctx.path.startsWith('/api/')) await api(ctx, entry);
  else if (ctx.path.startsWith('/walk/')) await walk(ctx);
  else await next();
  const { grant_type, client_id } = ctx.oidc?.body ?? {};
  log.push({ ...entry, status: ctx.status, grant_type, client_id, error: ctx.body?.error });
});

server.on('request', provider.callback());
process.stdin.on('end', () => process.exit()).resume();
console.log(`listening ${issuer}`);
