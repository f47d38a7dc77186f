/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-redactor-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* The rules for secrets, one by one: what it finds, and what comes near. */

/* Texts are templates, so that nothing in this file looks like a secret: `~` is
 * nothing, `{20}` are twenty letters and digits, `{U16}` sixteen upper-case ones,
 * and `$` is what takes the place of a secret. */
typedef struct
{
  guint rule; /* from 1 */
  const char *name;
  const char *text;
  const char *expected; /* NULL: nothing is found in it */
} SecretRow;

static const SecretRow rows[] = {
  { 11, "alone", "sk~-ant-{20}", "$" },
  { 11, "in-text", "key sk~-ant-api03-{40}_-{8}, keep", "key $, keep" },
  { 11, "short", "sk~-ant-{19}", NULL },
  { 11, "other-case", "SK~-ANT-{19}", NULL },

  { 12, "project", "sk~-proj-{20}_{4}-", "$" },
  { 12, "service-account", "sk~-svcacct-{24}", "$" },
  { 12, "admin", "(sk~-admin-{24})", "($)" },
  { 12, "short", "sk~-proj-{19}", NULL },
  { 12, "other-kind", "sk~-user-{24}", NULL },

  { 13, "alone", "sk~-{32}", "$" },
  { 13, "long", "sk~-{48}!", "$!" },
  { 13, "short", "sk~-{31}", NULL },
  { 13, "dashes", "sk~-{16}-{16}", NULL },

  { 14, "personal", "lsv2~_pt_{32}_{10}", "$" },
  { 14, "service", "lsv2~_sk_{32}", "$" },
  { 14, "short", "lsv2~_pt_{31}", NULL },
  { 14, "other-kind", "lsv2~_xx_{32}", NULL },

  { 15, "alone", "ls~__{16}", "$" },
  { 15, "short", "ls~__{15}", NULL },
  { 15, "one-dash", "ls~_{16}", NULL },

  { 16, "personal", "gh~p_{36}", "$" },
  { 16, "oauth", "gh~o_{36}", "$" },
  { 16, "user", "gh~u_{36}", "$" },
  { 16, "server", "gh~s_{36}", "$" },
  { 16, "refresh", "gh~r_{76}", "$" },
  { 16, "short", "gh~p_{35}", NULL },
  { 16, "other-kind", "gh~x_{36}", NULL },

  { 17, "alone", "github~_pat_{22}_{59}", "$" },
  { 17, "short", "github~_pat_{22}_{58}", NULL },

  { 18, "alone", "glpat~-{20}", "$" },
  { 18, "routable", "glpat~-{27}.0w.0abcdef12.", "$." },
  { 18, "short", "glpat~-{19}", NULL },

  { 19, "long-term", "AK~IA{U16}", "$" },
  { 19, "temporary", "<AS~IA{U16}>", "<$>" },
  { 19, "bearer", "AB~IA{U16}", "$" },
  { 19, "context", "AC~CA{U16}", "$" },
  { 19, "old", "A3~TX{U16}", "$" },
  { 19, "after-name", "id_AK~IA{U16}", "id_$" },
  { 19, "short", "AK~IA{U15}", NULL },
  { 19, "long", "AK~IA{U17}", NULL },
  { 19, "inside-word", "XAK~IA{U16}", NULL },
  { 19, "lower-case", "ak~ia{U16}", NULL },

  { 20, "alone", "AI~za{35}", "$" },
  { 20, "short", "AI~za{34}", NULL },

  { 21, "alone", "ya~29.a0_-{30}", "$" },
  { 21, "shortest", "ya~29.x", "$" },
  { 21, "nothing-follows", "ya~29. And", NULL },
  { 21, "no-dot", "ya~29{30}", NULL },

  { 22, "bot", "xo~xb-1234567890-{24}", "$" },
  { 22, "user", "xo~xp-{10}", "$" },
  { 22, "app", "xo~xa-{10}", "$" },
  { 22, "refresh", "xo~xr-{10}", "$" },
  { 22, "session", "xo~xs-{10}", "$" },
  { 22, "short", "xo~xb-{9}", NULL },
  { 22, "other-kind", "xo~xq-{10}", NULL },

  { 23, "alone", "xa~pp-1-A0B1-{10}", "$" },
  { 23, "short", "xa~pp-1-{9}", NULL },
  { 23, "no-number", "xa~pp-a-{10}", NULL },

  { 24, "alone", "see https://hooks~.slack.com/services/T0/B0/{24} there", "see $ there" },
  { 24, "no-path", "https://hooks~.slack.com/services/", NULL },
  { 24, "other-host", "https://hooks~.example.com/services/T0/B0/{24}", NULL },

  { 25, "live", "sk~_live_{20}", "$" },
  { 25, "test", "sk~_test_{99}", "$" },
  { 25, "restricted", "'rk~_live_{20}'", "'$'" },
  { 25, "short", "sk~_live_{19}", NULL },
  { 25, "publishable", "pk~_live_{20}", NULL },
  { 25, "inside-word", "risk~_live_{20}", NULL },

  { 26, "alone", "np~m_{36}", "$" },
  { 26, "short", "np~m_{35}", NULL },

  { 27, "alone", "pypi~-AgEIcHlwaS{50}", "$" },
  { 27, "short", "pypi~-AgEIcHlwaS{49}", NULL },

  { 28, "alone", "SG~.{22}.{43}", "$" },
  { 28, "short-end", "SG~.{22}.{42}", NULL },
  { 28, "short-middle", "SG~.{21}.{43}", NULL },

  { 29, "alone", "ey~J{20}.ey~J{40}.{43}", "$" },
  { 29, "in-text", "a ey~J{20}.ey~J{40}.{43}.", "a $." },
  { 29, "unsigned", "ey~J{20}.ey~J{40}", NULL },
  { 29, "no-payload", "ey~J{20}.{40}.{43}", NULL },

  { 1, "plain", "a\n-----BEGIN~ PRIVATE KEY-----\n{64}\n{12}==\n-----END~ PRIVATE KEY-----\nb",
    "a\n$\nb" },
  { 1, "rsa",
    "-----BEGIN~ RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{64}\n"
    "-----END~ RSA PRIVATE KEY-----",
    "$" },
  { 1, "openssh", "-----BEGIN~ OPENSSH PRIVATE KEY-----{64}-----END~ OPENSSH PRIVATE KEY-----",
    "$" },
  { 1, "pgp",
    "-----BEGIN~ PGP PRIVATE KEY BLOCK-----\n\n{64}\n=abcd\n"
    "-----END~ PGP PRIVATE KEY BLOCK-----",
    "$" },
  { 1, "two",
    "-----BEGIN~ PRIVATE KEY-----{64}-----END~ PRIVATE KEY----- and "
    "-----BEGIN~ EC PRIVATE KEY-----{64}-----END~ EC PRIVATE KEY-----",
    "$ and $" },
  { 1, "escaped", "-----BEGIN~ PRIVATE KEY-----\\n{64}\\n{12}==\\n-----END~ PRIVATE KEY-----\\n",
    "$\\n" },
  { 1, "cut", "-----BEGIN~ PRIVATE KEY-----\n{64}\n{64}\n{20}", "$" },
  { 1, "cut-encrypted", "-----BEGIN~ RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{64}\n{20}",
    "$" },
  { 1, "public", "-----BEGIN~ PUBLIC KEY-----\n{64}\n-----END~ PUBLIC KEY-----", NULL },
  { 1, "certificate", "-----BEGIN~ CERTIFICATE-----\n{64}\n-----END~ CERTIFICATE-----", NULL },
  { 1, "four-dashes", "----BEGIN~ PRIVATE KEY----\n{64}", NULL },

  { 2, "api-key", "api~_key={12}", "api_key=$" },
  { 2, "any-case", "OpenAI-Api~-Key: {12}", "OpenAI-Api-Key: $" },
  { 2, "one-word", "apik~ey = {6}", "apikey = $" },
  { 2, "secret", "client~_secret={12}&x=1", "client_secret=$&x=1" },
  { 2, "token", "api~_token : {12}; x", "api_token : $; x" },
  { 2, "json", "{\"pass~word\": \"{8}\", \"a\": 1}", "{\"password\": \"$\", \"a\": 1}" },
  { 2, "json-in-json", "{\\\"pass~word\\\":\\\"{8}\\\"}", "{\\\"password\\\":\\\"$\\\"}" },
  { 2, "passwd", "pass~wd='{8}'", "passwd='$'" },
  { 2, "private-key", "PRIVATE~_KEY={8}", "PRIVATE_KEY=$" },
  { 2, "access-key", "access~-key={8}", "access-key=$" },
  { 2, "more-words", "AWS_SEC~RET_ACCESS_KEY={40}", "AWS_SECRET_ACCESS_KEY=$" },
  { 2, "dotted", "service.tok~en.value: {12}", "service.token.value: $" },
  { 2, "scheme", "auth~_token: Bearer {12}", "auth_token: Bearer $" },
  { 2, "backslash", "pass~word: a\\b{8}", "password: $" },
  { 2, "not-english", "pass~word: \xc3\xbc{8}\xc3\xbc", "password: $" },
  { 2, "tokenizer", "tok~enizer={12}", NULL },
  { 2, "plural", "max_tok~ens=100000", NULL },
  { 2, "of-a-text", "eos_tok~en='{12}'", NULL },
  { 2, "type", "pass~word: string; sec~ret: 'integer', tok~en: undefined", NULL },
  { 2, "like-a-type", "pass~word: string4711", "password: $" },
  { 2, "passphrase", "PASS~PHRASE={8}", "PASSPHRASE=$" },
  { 2, "account-key", "AccountK~ey={40}==;x", "AccountKey=$;x" },
  { 2, "short", "tok~en={5}", NULL },
  { 2, "no-value", "tok~en={5} {12}", NULL },
  { 2, "no-separator", "pass~word {12}", NULL },
  { 2, "other-name", "name={12}", NULL },

  { 3, "bearer", "Author~ization: Bearer {12}", "Authorization: Bearer $" },
  { 3, "basic", "author~ization=basic {8}==", "authorization=basic $" },
  { 3, "token", "AUTHOR~IZATION: Token {8}", "AUTHORIZATION: Token $" },
  { 3, "no-scheme", "\"author~ization\": \"{8}\"", "\"authorization\": \"$\"" },
  { 3, "other-scheme", "Author~ization: Custom {16}", "Authorization: Custom $" },
  { 3, "two-words", "author~ization: {24} {24}", "authorization: $ {24}" },
  { 3, "short", "Author~ization: Bearer {7}", NULL },
  { 3, "no-separator", "author~ization {12}", NULL },

  { 4, "alone", "Bea~rer {10}", "Bearer $" },
  { 4, "lower-case", "curl -H 'bea~rer {20}.~/+='", "curl -H 'bearer $'" },
  { 4, "short", "Bea~rer {9}", NULL },
  { 4, "inside-word", "forbea~rer {10}", NULL },

  { 5, "database", "postgres://me:{8}@db.example.com:5432/x",
    "postgres://me:$@db.example.com:5432/x" },
  { 5, "no-user", "redis://:{8}@localhost", "redis://:$@localhost" },
  { 5, "at-sign", "https://me:p@{4}@example.com/", "https://me:$@example.com/" },
  { 5, "short", "x://u:p@h", "x://u:$@h" },
  { 5, "port", "https://example.com:8080/me@example.com", NULL },
  { 5, "user-only", "ssh://git@example.com/x", NULL },
  { 5, "no-scheme", "me:{8}@example.com", NULL },

  { 6, "case", "mysql --pass~word hunter2x -u bob", "mysql --password $ -u bob" },
  { 6, "short-value", "x --pass~word abcd", "x --password $" },
  { 6, "more-words", "psql --db-admin-pass~word {8}", "psql --db-admin-password $" },
  { 6, "single-dash", "keytool -pass~phrase {8}", "keytool -passphrase $" },
  { 6, "token", "gh auth --tok~en {8} --yes", "gh auth --token $ --yes" },
  { 6, "api-key", "llm --api~-key {8}", "llm --api-key $" },
  { 6, "quoted", "x --pass~word \"two words {4}\" y", "x --password \"$\" y" },
  { 6, "quoted-in-json", "x --pass~word \\\"two words\\\" y", "x --password \\\"$\\\" y" },
  { 6, "variable", "mysql --pass~word $HOME", NULL },
  { 6, "placeholder", "mysql --pass~word <PASSWORD>", NULL },
  { 6, "next-option", "mysql --pass~word --host=db", NULL },
  { 6, "help", "--pass~word string  the password of the user", NULL },
  { 6, "sentence", "use --pass~word to be asked, or --tok~en when the file is away", NULL },
  { 6, "plural", "vllm --max-tok~ens 4096 --tok~enizer mistral", NULL },
  { 6, "one-time", "a one-time-pass~word generator, the reset-pass~word pages", NULL },

  { 7, "curl", "curl -u jo:{8} https://example.com/", "curl -u jo:$ https://example.com/" },
  { 7, "long", "curl --user 'jo:{8}'", "curl --user 'jo:$'" },
  { 7, "two", "curl -U p:{8} -u jo:{4}x y", "curl -U p:$ -u jo:$ y" },
  { 7, "lines", "curl -s \\\n  -u jo:{8} \\\n  x", "curl -s \\\n  -u jo:$ \\\n  x" },
  { 7, "path", "/usr/bin/wget -q -u jo:{8}", "/usr/bin/wget -q -u jo:$" },
  { 7, "long-alone", "x --proxy-user jo:{8}", "x --proxy-user jo:$" },
  { 7, "group", "chown -u root:wheel /srv", NULL },
  { 7, "group-on-next-line", "curl -s x\nchown -u root:wheel /srv", NULL },
  { 7, "group-after-secret", "curl -u jo:{8}\nchown -u root:wheel /srv",
    "curl -u jo:$\nchown -u root:wheel /srv" },
  { 7, "group-after-address", "see https://example.com/, then chown -u root:wheel", NULL },
  { 7, "name-in-word", "curly -u root:wheel", NULL },
  { 7, "ids", "docker run -u 1000:1000 image", NULL },
  { 7, "address", "sqlmap -u https://example.com/", NULL },
  { 7, "no-password", "mysql -u bob db", NULL },

  { 8, "case", "pw~d=hunter2x", "pwd=$" },
  { 8, "variable", "MYSQL_PW~D='{8}'", "MYSQL_PWD='$'" },
  { 8, "connection", "Server=db;Uid=jo;Pw~d={8};x=1", "Server=db;Uid=jo;Pwd=$;x=1" },
  { 8, "directory", "PW~D=/home/jo/work", NULL },
  { 8, "windows", "PW~D=C:\\Users", NULL },
  { 8, "command", "bash: pw~d: command not found", NULL },
  { 8, "program", "cd $(pw~d); pw~d", NULL },

  { 9, "case", "<pass~word>hunter2x</pass~word>", "<password>$</password>" },
  { 9, "attribute", "<db:pass~word type='text'>{8}</db:pass~word>",
    "<db:password type='text'>$</db:password>" },
  { 9, "longer-name", "<userPass~word>{8}</userPass~word>", "<userPassword>$</userPassword>" },
  { 9, "cdata", "<secr~et><![CDATA[{8}]]></secr~et>", "<secret><![CDATA[$]]></secret>" },
  { 9, "cut", "<pass~word>{8}", "<password>$" },
  { 9, "escaped", "<api~Key>{8}<\\/api~Key>", "<apiKey>$<\\/apiKey>" },
  { 9, "synopsis", "mysql -p <pass~word> -u <user>", NULL },
  { 9, "address", "postgres <user>:<pass~word>@localhost", NULL },
  { 9, "words", "<tok~en>word</tok~en><max_tok~ens>5000000</max_tok~ens>", NULL },

  { 10, "case", "Bas~ic dXNlcjpwYXNzd29yZA==", "Basic $" },
  { 10, "header", "curl -H 'X-Auth: bas~ic YWRtaW46c2VjcmV0MTIz'", "curl -H 'X-Auth: basic $'" },
  { 10, "colon-third", "Bas~ic YWI6Y2RlZmdo", "Basic $" },
  { 10, "words", "a bas~ic understanding of Basic Overview, Basic Only1, basic OAuth2 flows",
    NULL },
  { 10, "no-colon", "Bas~ic aGVsbG93b3JsZGhlbGxv", NULL },

  { 30, "router", "sk~-or-v1-{64}", "$" },
  { 30, "langfuse-lower", "sk~-lf-0a1b2c3d-4e5f-6a7b-8c9d-0123456789abcdef", "$" },
  { 30, "xai", "xa~i-{80}", "$" },
  { 30, "perplexity", "pp~lx-{48}", "$" },
  { 13, "cerebras", "cs~k-{48}", "$" },
  { 30, "tavily", "tv~ly-{32}", "$" },
  { 30, "tavily-dev", "'tv~ly-dev-{32}'", "'$'" },
  { 30, "nvidia", "nv~api-{30}_{30}-{4}", "$" },
  { 30, "pinecone", "pc~sk_{5}_{60}", "$" },
  { 30, "hugging-face", "h~f_abcdefghijklmnopqrstuvwxyzABCDEFGH", "$" },
  { 30, "organization", "api~_org_{34}", "$" },
  { 30, "replicate", "r~8_{37}", "$" },
  { 30, "firecrawl", "fc~-0123456789abcdef0123456789abcdef", "$" },
  { 30, "databricks", "dap~i0123456789abcdef0123456789abcdef", "$" },
  { 30, "elevenlabs", "s~k_0123456789abcdef0123456789abcdef0123456789abcdef", "$" },
  { 30, "slug", "xai-explanations-of-neural-networks-2024, hf_hub_download, r8_t", NULL },
  { 30, "identifier",
    "key-value-store, sk_buff, key-0123456789, hf_transformers_model_name_or_path", NULL },

  { 31, "groq", "gs~k_{52}", "$" },
  { 31, "fireworks", "fw~_{24}", "$" },
  { 31, "runpod", "rp~a_{40}", "$" },
  { 31, "e2b", "e2~b_{40}", "$" },
  { 31, "together", "tg~p_v1_{43}", "$" },
  { 31, "vercel", "vc~k_{40}", "$" },
  { 31, "jina", "jin~a_{60}", "$" },
  { 31, "digital-ocean", "do~p_v1_{64}", "$" },
  { 31, "linear", "lin~_api_{40}", "$" },
  { 31, "notion", "nt~n_{46}", "$" },
  { 31, "grafana", "gls~a_{32}_{8}", "$" },
  { 31, "shopify", "shp~at_{32}", "$" },
  { 31, "supabase", "sb~p_{40}", "$" },
  { 31, "docker", "dck~r_pat_{27}", "$" },
  { 31, "web-hook", "whs~ec_{32}", "$" },
  { 31, "identifier", "gsk_short, re_match_all_the_words, secret_key_of_the_service", NULL },
  { 31, "inside-word", "xgs~k_{52}", NULL },

  { 32, "vault", "hv~s.{90}", "$" },
  { 32, "doppler", "dp~.pt.{43}", "$" },
  { 32, "tailscale", "ts~key-auth-{17}-{32}", "$" },
  { 32, "google-client", "GOC~SPX-{28}", "$" },
  { 32, "telegram", "bot 12345678:A~A{33}!", "bot $!" },
  { 32, "atlassian", "ATA~TT3{100}={8}", "$" },
  { 32, "short", "hv~s.{20} tskey-auth-x", NULL },
};

static char *
expand (const char *template)
{
  static const char mixed[] = "a1B2c3D4e5F6g7H8i9J0";
  static const char upper[] = "A1B2C3D4E5F6G7H8I9J0";
  GString *text = g_string_new (NULL);
  gsize len;

  for (const char *p = template; *p != '\0'; p++)
    {
      const char *letters = p[0] == '{' && p[1] == 'U' ? upper : mixed;
      char *end = NULL;

      if (*p == '~' || *p == '$')
        {
          g_string_append (text, *p == '$' ? LSOBS_SECRET_DETECTED : "");
          continue;
        }
      if (*p == '{')
        {
          guint64 n = g_ascii_strtoull (p + (letters == upper ? 2 : 1), &end, 10);

          if (n > 0 && *end == '}')
            {
              for (guint64 i = 0; i < n; i++)
                g_string_append_c (text, letters[i % 20]);
              p = end;
              continue;
            }
        }
      g_string_append_c (text, *p);
    }

  /* With initialised bytes beyond its end, as the rules are to be given it. */
  len = text->len;
  for (guint i = 0; i < LSOBS_REDACT_PADDING; i++)
    g_string_append_c (text, '\0');
  g_string_truncate (text, len);
  return g_string_free (text, FALSE);
}

static char *
apply (LsobsRedactor *redactor, const char *text)
{
  g_autofree char *result = _lsobs_redactor_apply_text (redactor, text);

  g_assert_cmpuint (_lsobs_redactor_take_failures (redactor), ==, 0);
  return g_steal_pointer (&result);
}

static void
test_row (gconstpointer data)
{
  const SecretRow *row = data;
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *text = expand (row->text);
  g_autofree char *expected = expand (row->expected != NULL ? row->expected : row->text);
  g_autofree char *result = NULL;
  g_autofree char *again = NULL;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autoptr (GArray) edits = NULL;
  LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;

  _lsobs_redactor_add_secrets (redactor);
  result = apply (redactor, text);
  g_assert_cmpstr (result, ==, expected);
  again = apply (redactor, result);
  g_assert_cmpstr (again, ==, expected);

  /* It is this rule that finds it, and the quick look does not miss it. */
  if (row->expected != NULL)
    {
      g_assert_cmpuint (_lsobs_secret_rules_scan (text, strlen (text)) >> (row->rule - 1) & 1, ==,
                        1);
      g_assert_cmpint (_lsobs_redact_rule_apply (_lsobs_secret_rules_get (row->rule - 1), &budget,
                                                 text, strlen (text), &out, &edits),
                       ==, LSOBS_REDACT_CHANGED);
      g_assert_cmpmem (out.data, out.len, expected, strlen (expected));
    }
  else
    {
      g_assert_cmpint (_lsobs_redact_rule_apply (_lsobs_secret_rules_get (row->rule - 1), &budget,
                                                 text, strlen (text), &out, &edits),
                       ==, LSOBS_REDACT_UNCHANGED);
    }
}

static const struct
{
  const char *json;
  const char *expected; /* NULL: as it is */
} member_rows[] = {
  { "{\"password\":\"tulip\"}", "{\"password\":\"[SECRET_DETECTED]\"}" },
  { "{\"a\":[{\"DB.Password\" : 1234 , \"b\":2}]}",
    "{\"a\":[{\"DB.Password\":\"[SECRET_DETECTED]\",\"b\":2}]}" },
  { "{\"openaiApiKey\":\"x\",\"X-Api-Key\":\"y\",\"client_secret\":-1}",
    "{\"openaiApiKey\":\"[SECRET_DETECTED]\",\"X-Api-Key\":\"[SECRET_DETECTED]\","
    "\"client_secret\":\"[SECRET_DETECTED]\"}" },
  { "{\"pass\\u0077ord\":\"tulip\\n\"}", "{\"password\":\"[SECRET_DETECTED]\"}" },
  { "{\"_refresh_token_2\":\"x\",\"password\":\"\",\"passwd\":null}",
    "{\"_refresh_token_2\":\"[SECRET_DETECTED]\",\"password\":\"\",\"passwd\":null}" },
  { "{\"pass\xe2\x80\x8bword\xe2\x80\x8b\":\"x\",\"p\xc3\xa4ssword\":\"y\",\"\xc3\xa4password\":\"z\"}",
    "{\"pass\xe2\x80\x8bword\xe2\x80\x8b\":\"[SECRET_DETECTED]\",\"p\xc3\xa4ssword\":\"y\","
    "\"\xc3\xa4password\":\"[SECRET_DETECTED]\"}" },
  { "{\"invalid_token\":\"a\",\"id_token\":\"b\"}", NULL },
  /* Objects and arrays are searched, and not hidden whole. */
  { "{\"password\":{\"type\":\"string\",\"secret\":\"x\"},\"b\":\"c\"}",
    "{\"password\":{\"type\":\"string\",\"secret\":\"[SECRET_DETECTED]\"},\"b\":\"c\"}" },
  { "{\"password\":{},\"a\":\"b\"}", NULL },
  { "{\"api_key\":[\"b\"],\"a\":\"b\"}", NULL },
  { "{\"has_secret\":true,\"a\":\"b\"}", NULL },
  { "{\"token\":\"Lo\",\"key\":\"v\",\"max_tokens\":5,\"cookie\":\"oat\",\"pwd\":\"/\"}", NULL },
  { "{\"passwords\":7,\"api_key_name\":\"a\",\"secretary\":\"b\",\"word\":\"c\"}", NULL },
  { "{\"authorization\":\"a\",\"api_keys\":\"b\",\"ord\":1,\"\":2}", NULL },
  { "[\"password\",\"tulip\"]", NULL },
};

/* Strings and numbers of members with the name of a secret. */
static void
test_members (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  const LsobsSanitizeOptions options = { .redactor = redactor };

  _lsobs_redactor_add_secrets (redactor);
  for (gsize i = 0; i < G_N_ELEMENTS (member_rows); i++)
    {
      const char *json = member_rows[i].json;
      const char *expected = member_rows[i].expected != NULL ? member_rows[i].expected : json;
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

      g_assert_true (_lsobs_json_sanitize (&out, json, strlen (json), &options));
      g_assert_cmpmem (out.data, out.len, expected, strlen (expected));
    }
}

/* A redact key comes first, whatever it hides. */
static void
test_members_and_keys (void)
{
  const char json[] = "{\"password\":\"tulip\",\"api_key\":{\"a\":1},\"secret\":\"x\"}";
  const char expected[] =
      "{\"password\":\"[REDACTED]\",\"api_key\":\"[REDACTED]\",\"secret\":\"[SECRET_DETECTED]\"}";
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  const LsobsSanitizeOptions options = { .redactor = redactor };
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_redactor_add_secrets (redactor);
  _lsobs_redactor_add_key (redactor, "password");
  _lsobs_redactor_add_key (redactor, "apiKey");
  g_assert_true (_lsobs_json_sanitize (&out, json, strlen (json), &options));
  g_assert_cmpmem (out.data, out.len, expected, strlen (expected));
}

/* Both are found, whichever way the texts lie to each other, and without a gap. */
static void
test_pairs (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();

  _lsobs_redactor_add_secrets (redactor);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (rows); j++)
      {
        g_autofree char *first = expand (rows[i].text);
        g_autofree char *second = expand (rows[j].text);
        g_autofree char *both = g_strdup_printf ("%s \xe2\x82\xac\n\"%s", first, second);
        g_autofree char *expected_first =
            expand (rows[i].expected != NULL ? rows[i].expected : rows[i].text);
        g_autofree char *expected_second =
            expand (rows[j].expected != NULL ? rows[j].expected : rows[j].text);
        g_autofree char *expected =
            g_strdup_printf ("%s \xe2\x82\xac\n\"%s", expected_first, expected_second);
        g_autofree char *result = apply (redactor, both);

        if (rows[i].rule != 1 && rows[j].rule != 1)
          g_assert_cmpstr (result, ==, expected);
      }
}

/* The name before a value is not taken for the end of a token, which would leave the value. */
static void
test_name_after_token (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *text = expand ("sk~-admin-{12}pass~word={20}");
  g_autofree char *result = NULL;

  _lsobs_redactor_add_secrets (redactor);
  result = apply (redactor, text);
  g_assert_cmpstr (result, ==, LSOBS_SECRET_DETECTED "=" LSOBS_SECRET_DETECTED);
}

/* Text of every day passes, at any length. */
static void
test_ordinary (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *result = NULL;

  _lsobs_redactor_add_secrets (redactor);
  while (text->len < 300 * 1000)
    g_string_append (
        text,
        "The model took 1423 tokens; its secret is to ask twice. See https://example.com/a?b=c "
        "and task-3 at 12:30, bearer of bad news. A password must be long.\n");
  result = apply (redactor, text->str);
  g_assert_cmpstr (result, ==, text->str);
}

/* Long texts that only look like a secret end the search soon: in the text, or in
 * nothing being left of it. */
static void
test_long (gconstpointer data)
{
  const gsize n = 400 * 1000;
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *piece = expand (data);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *result = NULL;

  _lsobs_redactor_add_secrets (redactor);
  while (text->len < n)
    g_string_append (text, piece);
  result = _lsobs_redactor_apply_text (redactor, text->str);
  g_assert_nonnull (result);
}

static const char *const long_pieces[] = {
  "ey~J",
  "ey~Ja.",
  "-----BEGIN~ PRIVATE KEY-----",
  "a://b",
  "a://b:",
  "a://b:@",
  "tok~en",
  "tok~en-",
  "tok~en='",
  "author~ization:a ",
  "bea~rer ",
  "sk~-ant-",
  "SG~.",
  "pass~word:\\",
  "A~3T",
  "-",
  "a",
  "ls~v2_pt_",
};

/* A secret as long as a book. */
static void
test_huge_secret (void)
{
  g_autoptr (LsobsRedactor) redactor = _lsobs_redactor_new ();
  g_autofree char *text = expand ("before sk~-ant-{300000} after");
  g_autofree char *result = NULL;

  _lsobs_redactor_add_secrets (redactor);
  result = apply (redactor, text);
  g_assert_cmpstr (result, ==, "before " LSOBS_SECRET_DETECTED " after");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path =
          g_strdup_printf ("/privacy/secrets/%u/%s/%s", rows[i].rule,
                           rows[i].expected != NULL ? "found" : "near-miss", rows[i].name);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (long_pieces); i++)
    {
      g_autofree char *path = g_strdup_printf ("/privacy/secrets/long/%" G_GSIZE_FORMAT, i);

      g_test_add_data_func (path, long_pieces[i], test_long);
    }
  g_test_add_func ("/privacy/secrets/members", test_members);
  g_test_add_func ("/privacy/secrets/members-and-keys", test_members_and_keys);
  g_test_add_func ("/privacy/secrets/pairs", test_pairs);
  g_test_add_func ("/privacy/secrets/name-after-token", test_name_after_token);
  g_test_add_func ("/privacy/secrets/ordinary", test_ordinary);
  g_test_add_func ("/privacy/secrets/huge", test_huge_secret);

  return g_test_run ();
}
