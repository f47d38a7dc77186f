/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-secret-rules-private.h"

/* The patterns are applied to each text that a program sends. So each of them begins with
 * letters that are rare, and then uses possessive quantifiers, which do not backtrack. \K keeps
 * the name before a secret. */

#define ALNUM "[0-9A-Za-z]"
#define WORD  "[0-9A-Za-z_-]"

/* A quote. In a string that contains JSON there are backslashes before it. */
#define QUOTE     "[\"'\\\\]{0,8}+"
#define SPACE     "\\s{0,16}+"
#define SEPARATOR QUOTE SPACE "[:=]{1,2}+>?+" SPACE QUOTE

#define TOKEN "[0-9A-Za-z._~+/=-]"

/* What begins a token, and what a token without dashes goes on with. */
#define START "(?<![0-9A-Za-z])"
#define REST  "(?:[_.-]" ALNUM "++)*+"

/* What is no secret, but the type of one, or says something about it. */
#define NO_SECRET \
 "(?!(?:string|str|text|integer|number|boolean|object|function|undefined|optional|required|missing" \
 "|invalid|incorrect|expired|return|raise|throw|continue)(?:[\\s\"'&;,.|)}\\]?]|$))"

/* The word behind an option, in a sentence about it. */
#define NO_OPERAND \
 "(?!(?:string|text|value|options?|arguments?|flags?|parameters?|prompt|file|stdin|from|with|when" \
 "|that|this|which|instead|must|should|will|would|cannot|requires?|here|your)(?:[\\s.,:;)]|$))"

/* Four characters of base64, and four that have a colon in one of the three bytes they stand for. */
#define BASE64 "[0-9A-Za-z+/]"
#define COLON \
 "(?:O[g-v]" BASE64 "{2}|" BASE64 "[DTjz][o-r]" BASE64 "|" BASE64 "{2}[AEIMQUYcgkosw048]6)"

/* A password may contain @: the last @ ends it. */
#define USER     "[^\\s\"'/?#<>@:]"
#define PASSWORD "[^\\s\"'/?#<>@]"

#define PEM_SPACE "(?:\\s|\\\\[nr])*+"
#define PEM_LABEL "[0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

typedef struct
{
  const char *pattern;
  const char *words[48]; /* each match contains at least one of them; NULL: no more words */
  gboolean any_case;     /* of the words */
  gboolean whole;        /* no letter or digit follows the words */
  guint min_token;       /* a token begins with one of the words, which so many letters, digits and
                          * dashes follow; 0: the words do not begin tokens */
} SecretRule;

/* The rules in the order in which they are applied: a rule does not find what an earlier rule has
 * replaced. Those that look for what precedes a secret come before those for its form, which could
 * take the name "password" for the end of a token. A private key comes first, as it has spaces. */
/* clang-format off */
static const SecretRule secret_rules[] = {
  /* Private keys in PEM; without an end, the lines that look like base64 */
  { .pattern = "-----BEGIN " PEM_LABEL
               "(?:[^-]*+(?:-(?!----END " PEM_LABEL ")[^-]*+)*+-----END " PEM_LABEL
               "|(?:" PEM_SPACE "(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash):[^\\r\\n\\\\]*+)*+"
               "(?:" PEM_SPACE "[0-9A-Za-z+/=]{16,}+)*+)",
    .words = { "-----BEGIN " } },
  /* A value assigned to a name such as "password". A backslash before a quote belongs to the
   * quote, not to the value. */
  { .pattern = "(?i)(?:(?:api|private|access|account|auth|subscription)[ _-]?key|secret"
               "|(?<!stop_|eos_|bos_|pad_|unk_|sep_|cls_|mask_|page_)token"
               "|password|passwd|passphrase|passcode)(?!" ALNUM ")"
               "(?:[._-]{1,3}+" ALNUM "{1,64}+){0,8}+" SEPARATOR
               "(?:(?:bearer|basic|token)\\s{1,16}+)?+\\K" NO_SECRET
               "(?=[^\\s\"'&;]{6})(?:[^\\s\"'&;\\\\]++|\\\\(?!\\\\{0,8}[\"']))++",
    .words = { "apikey", "api key", "api_key", "api-key", "privatekey", "private key",
               "private_key", "private-key", "accesskey", "access key", "access_key",
               "access-key", "accountkey", "account key", "account_key", "account-key", "authkey",
               "auth key", "auth_key", "auth-key", "subscriptionkey", "subscription key",
               "subscription_key", "subscription-key", "secret", "token", "password", "passwd",
               "passphrase", "passcode" },
    .any_case = TRUE,
    .whole = TRUE },
  /* Headers, without the name and the scheme */
  { .pattern = "(?i)(?:authorization|x-api-key|x-auth-token)" SEPARATOR
               "(?:(?:bearer|token|basic|digest|negotiate|apikey|oauth|aws4-hmac-sha256"
               "|[a-z]{1,7}+(?=\\s{1,16}+" TOKEN "{16}))\\s{1,16}+)?+\\K" TOKEN "{8,}+",
    .words = { "authorization", "x-api-key", "x-auth-token" },
    .any_case = TRUE },
  /* Bearer tokens anywhere */
  { .pattern = "(?i)\\bbearer\\s{1,16}+\\K" TOKEN "{10,}+",
    .words = { "bearer" },
    .any_case = TRUE },
  /* Passwords in addresses */
  { .pattern = ALNUM "://" USER "*+:\\K(?:" PASSWORD "++(?=@)|@(?=" PASSWORD "*+@))++",
    .words = { "://" } },
  /* What follows an option on a command line */
  { .pattern = "(?i)(?<![0-9a-z_-])--?(?:[0-9a-z]{1,20}+[_-]){0,4}?"
               "(?:password|passwd|passphrase|pwd|token|secret"
               "|(?:api|access|auth|private|secret)[_-]?key)[ \\t]{1,8}+"
               "(?:\\\\{0,7}+(?:'|\"(?![$](?:\\{[^}\"]{1,64}\\}|\\w{1,64})[\\\\\"]))\\K(?:[^\"'\\n\\\\]++|\\\\(?!\\\\{0,8}[\"']))++"
               "|\\K(?![-<\\[{$%])" NO_OPERAND "(?=[^\\s\"';|&]{4})[^\\s\"'\\\\;|&]++)",
    .words = { "-password", "_password", "-passwd", "_passwd", "-passphrase", "_passphrase", "-pwd",
               "_pwd", "-token", "_token", "-secret", "_secret", "-apikey", "_apikey", "-api-key",
               "_api_key", "_api-key", "-api_key", "access-key", "access_key", "accesskey",
               "auth-key", "auth_key", "authkey", "private-key", "private_key", "privatekey" },
    .any_case = TRUE,
    .whole = TRUE },
  /* A name and a password for curl; not the numbers of a user and a group. The short options
   * mean something else to other commands, such as a user and a group: they count behind the name
   * of a command that makes requests, and right behind another password. */
  { .pattern = "(?:(?:(?<![0-9A-Za-z_-])(?i:curl|wget|https?)(?![0-9A-Za-z_:])"
               "(?:[^\\n]|(?<=\\\\)\\n){0,512}?(?<![0-9A-Za-z_-])"
               "|\\G(?!\\A)[\"']?+[ \\t]{1,8}+)-[uU]"
               "|(?<![0-9A-Za-z_-])--(?:proxy-)?user)[ \\t]{1,8}+[\"']?+"
               "[^\\s\"':/]{1,256}+:\\K(?![0-9]++(?![^\\s\"']))(?!//)[^\\s\"']++",
    .words = { "-u ", "-U ", "-u\t", "-U\t", "-user" } },
  /* The name of a password that is also a command, and the variable of a directory */
  { .pattern = "(?i)pwd(?!" ALNUM ")" SEPARATOR "\\K" NO_SECRET
               "(?![/~.$`(<%]|[a-z]:[\\\\/]|(?:command|not|no|print|working|current|too)\\b)"
               "(?=[^\\s\"'&;]{4})(?:[^\\s\"'&;\\\\]++|\\\\(?!\\\\{0,8}[\"']))++",
    .words = { "pwd" },
    .any_case = TRUE,
    .whole = TRUE },
  /* An element of XML; in a note about a command, <password> stands for one, and nothing follows */
  { .pattern = "(?i)<((?:[0-9a-z]{1,32}+[:._-]){0,4}?(?:[0-9a-z]{1,32}?)?"
               "(?:password|passwd|passphrase|pwd|secret|(?:api|access|private|secret)[._-]?key"
               "|(?:access|api|auth|bearer|id|refresh|security|session)[._-]?token))"
               "(?:\\s[^<>]{0,256}+)?>(?:<!\\[CDATA\\[)?\\K"
               "(?:[^<\\]]{1,4096}+(?=\\]\\]>|<\\\\?/\\1)|(?=" ALNUM ")[^\\s<>\\\\]{6,}+)",
    .words = { "password", "passwd", "passphrase", "pwd", "secret", "apikey", "api-key", "api_key",
               "api.key", "accesskey", "access-key", "access_key", "privatekey", "private-key",
               "private_key", "token" },
    .any_case = TRUE,
    .whole = TRUE },
  /* Basic authentication anywhere: base64 of a name, a colon and a password */
  { .pattern = "(?i:\\bbasic)\\s{1,16}+\\K(?=" BASE64 "{8})"
               "(?=[A-Z]*+[a-z]*+(?:[0-9+/=]|[A-Z]))"
               "(?:(?!" COLON ")" BASE64 "{4})*+" COLON BASE64 "*+={0,2}+",
    .words = { "basic" },
    .any_case = TRUE },
  /* Anthropic */
  { .pattern = "sk-ant-" WORD "{20,}+",
    .words = { "sk-ant-" },
    .min_token = 16 },
  /* OpenAI: keys of projects, service accounts and administrators; old keys, and those of Cerebras */
  { .pattern = "sk-(?:proj|svcacct|admin)-" WORD "{20,}+",
    .words = { "sk-proj-", "sk-svcacct-", "sk-admin-" },
    .min_token = 16 },
  { .pattern = "c?sk-" ALNUM "{32,}+",
    .words = { "sk-", "csk-" },
    .min_token = 16 },
  /* LangSmith: new and old */
  { .pattern = "lsv2_(?:pt|sk)_" ALNUM "{32,}+(?:_" ALNUM "++)*+",
    .words = { "lsv2_" },
    .min_token = 16 },
  { .pattern = "ls__" ALNUM "{16,}+",
    .words = { "ls__" },
    .min_token = 16 },
  /* GitHub: classic and fine-grained */
  { .pattern = "gh[pousr]_" ALNUM "{36,}+",
    .words = { "ghp_", "gho_", "ghu_", "ghs_", "ghr_" },
    .min_token = 16 },
  { .pattern = "github_pat_[0-9A-Za-z_]{82,}+",
    .words = { "github_pat_" },
    .min_token = 16 },
  /* GitLab: newer tokens end with a length and a checksum */
  { .pattern = "glpat-" WORD "{20,}+(?:\\.[0-9a-z]{2}\\.[0-9a-z]{7,12}+)?+",
    .words = { "glpat-" },
    .min_token = 16 },
  /* AWS */
  { .pattern = "(?<!" ALNUM ")(?:AKIA|ASIA|ABIA|ACCA|A3T[0-9A-Z])[0-9A-Z]{16}(?!" ALNUM ")",
    .words = { "AKIA", "ASIA", "ABIA", "ACCA", "A3T" },
    .min_token = 16 },
  /* Google: API keys and OAuth tokens */
  { .pattern = "AIza" WORD "{35,}+",
    .words = { "AIza" },
    .min_token = 16 },
  { .pattern = "ya29\\." WORD "++",
    .words = { "ya29." },
    .min_token = 16 },
  /* Slack: tokens, tokens of apps, addresses of web hooks */
  { .pattern = "xox[baprs]-[0-9A-Za-z-]{10,}+",
    .words = { "xox" },
    .min_token = 16 },
  { .pattern = "xapp-[0-9]-[0-9A-Za-z-]{10,}+",
    .words = { "xapp-" },
    .min_token = 16 },
  { .pattern = "https://hooks\\.slack\\.com/services/[0-9A-Za-z_/+-]++",
    .words = { "hooks.slack.com/services/" } },
  /* Stripe */
  { .pattern = "(?<!" ALNUM ")[sr]k_(?:live|test)_" ALNUM "{20,}+",
    .words = { "sk_live_", "sk_test_", "rk_live_", "rk_test_" },
    .min_token = 16 },
  /* npm, PyPI, SendGrid */
  { .pattern = "npm_" ALNUM "{36,}+",
    .words = { "npm_" },
    .min_token = 16 },
  { .pattern = "pypi-AgEIcHlwaS" WORD "{50,}+",
    .words = { "pypi-AgEIcHlwaS" },
    .min_token = 16 },
  { .pattern = "SG\\." WORD "{22}\\." WORD "{43,}+",
    .words = { "SG." },
    .min_token = 16 },
  /* JSON web tokens: header, payload and signature */
  { .pattern = "eyJ" WORD "++\\.eyJ" WORD "++\\." WORD "++",
    .words = { "eyJ" },
    .min_token = 20 },
  /* Services of models and routers */
  { .pattern = START "(?:(?:sk-(?:or|lf|kimi|litellm|helicone)-|xai-|pplx-|llx-)"
               "(?:[0-9a-z]{1,8}+-){0,5}" ALNUM "{16,}+" REST
               "|tvly-(?:[a-z]{1,8}+-)?" ALNUM "{20,}+" REST
               "|nvapi-" WORD "{40,}+|pcsk_" ALNUM "{4,8}+_" ALNUM "{30,}+"
               "|(?:hf_|api_org_|r8_)" ALNUM "{30,}+|(?:fc-|key-|dapi)[0-9a-f]{32,}+"
               "|sk_[0-9a-f]{40,}+)",
    .words = { "sk-or-", "sk-lf-", "sk-kimi-", "sk-litellm-", "sk-helicone-", "xai-", "pplx-", "llx-", "tvly-", "nvapi-", "pcsk_", "hf_", "api_org_", "r8_", "fc-", "key-", "dapi",
               "sk_" },
    .min_token = 30 },
  { .pattern = START "(?:gsk|fw|rpa|e2b|tgp_v1|vck|jina|esecret|napi|rnd|bb_live|bb_test|sb_secret"
               "|lin_api|ntn|secret|sntry[su]|glsa|glc|shp(?:at|ca|pa|ss)|rubygems|sbp|phx|figd"
               "|dckr_pat|do[opr]_v1|whsec|pscale_tkn|pscale_pw|re)_" ALNUM "{20,}+" REST,
    .words = { "gsk_", "fw_", "rpa_", "e2b_", "tgp_v1_", "vck_", "jina_", "esecret_", "napi_", "rnd_",
               "bb_live_", "bb_test_", "sb_secret_", "lin_api_", "ntn_", "secret_", "sntrys_",
               "sntryu_", "glsa_", "glc_", "shpat_", "shpca_", "shppa_", "shpss_", "rubygems_",
               "sbp_", "phx_", "figd_", "dckr_pat_", "dop_v1_", "doo_v1_", "dor_v1_", "whsec_",
               "pscale_tkn_", "pscale_pw_", "re_" },
    .min_token = 20 },
  /* Others that have dashes, dots or colons */
  { .pattern = START "(?:hv[sb]\\." WORD "{24,}+|dp\\.(?:pt|st|ct|sa)\\." ALNUM "{32,}+"
               "|tskey-[a-z]{1,12}+-" WORD "{16,}+|PMAK-" ALNUM "{24}-" ALNUM "{34}|GOCSPX-" WORD "{24,}+"
               "|AT[AC]TT3" WORD "{40,}+=?" WORD "*+|pul-[0-9a-f]{40}|HRKU-" WORD "{36,}+"
               "|AGE-SECRET-KEY-1[0-9A-Z]{40,}+|1//0" WORD "{40,}+|sq0(?:atp|csp)-" WORD "{20,}+"
               "|[0-9]{8,10}+:AA" WORD "{33,}+)",
    .words = { "hvs.", "hvb.", "dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "tskey-", "PMAK-", "GOCSPX-",
               "ATATT3", "ATCTT3", "pul-", "HRKU-", "AGE-SECRET-KEY-1", "1//0", "sq0atp-", "sq0csp-",
               ":AA" },
    .min_token = 24 },
};
/* clang-format on */

/* A scan returns a bit for each rule. */
G_STATIC_ASSERT (G_N_ELEMENTS (secret_rules) <= 32);

/* The words are looked up by their first three characters, without case. */
#define HASH_BITS 12
#define MAX_WORDS 255

typedef struct
{
  const char *text;
  gsize len;
  guint rule;
  guint8 next; /* the number of the next word with the same hash; 0: none */
} Word;

typedef struct
{
  guint8 first[1 << HASH_BITS]; /* the number of the first word with a hash; 0: none */
  guint n_words;
  Word words[MAX_WORDS + 1]; /* by number, from 1 */
} WordTable;

static inline guint32
add_to_gram (guint32 gram, char c)
{
  /* This makes letters lower case. Other characters may become equal, too: is_word() tells
   * them apart. */
  return gram >> 8 | (guint32) ((guchar) c | 0x20) << 16;
}

static inline guint
hash_gram (guint32 gram)
{
  return (gram * 2654435769u) >> (32 - HASH_BITS);
}

static void
add_word (WordTable *table, guint rule, const char *text)
{
  guint hash = hash_gram (add_to_gram (add_to_gram (add_to_gram (0, text[0]), text[1]), text[2]));
  guint number = ++table->n_words;

  g_assert (number <= MAX_WORDS);
  table->words[number] =
      (Word){ .text = text, .len = strlen (text), .rule = rule, .next = table->first[hash] };
  table->first[hash] = (guint8) number;
}

/* Both tables are made once and never freed. */
static const WordTable *
get_words (void)
{
  static WordTable *table;

  if (g_once_init_enter (&table))
    {
      WordTable *made = g_new0 (WordTable, 1);

      for (guint i = 0; i < G_N_ELEMENTS (secret_rules); i++)
        for (guint j = 0; secret_rules[i].words[j] != NULL; j++)
          add_word (made, i, secret_rules[i].words[j]);
      g_once_init_leave (&table, made);
    }
  return table;
}

/* Compiling the regular expressions takes long.
 * Returns: by number */
static LsobsRedactRule **
get_rules (void)
{
  static LsobsRedactRule **rules;

  if (g_once_init_enter (&rules))
    {
      LsobsRedactRule **made = g_new0 (LsobsRedactRule *, G_N_ELEMENTS (secret_rules));

      for (guint i = 0; i < G_N_ELEMENTS (secret_rules); i++)
        made[i] = _lsobs_redact_rule_new_known (secret_rules[i].pattern, LSOBS_SECRET_DETECTED);
      g_once_init_leave (&rules, made);
    }
  return rules;
}

static gboolean
is_word (const Word *word, const char *text, gsize len)
{
  const SecretRule *rule = &secret_rules[word->rule];

  if (len < word->len || (rule->whole && len > word->len && g_ascii_isalnum (text[word->len])))
    return FALSE;
  return rule->any_case ? g_ascii_strncasecmp (text, word->text, word->len) == 0
                        : memcmp (text, word->text, word->len) == 0;
}

/* Finds the rules that may match in a text. This takes much less time than the rules would.
 * Returns: a bit for each rule, the lowest one for the first rule */
guint32
_lsobs_secret_rules_scan (const char *text, gsize len)
{
  const WordTable *table = get_words ();
  guint32 rules = 0;
  guint32 gram = 0;

  if (len < 3)
    return 0;

  gram = add_to_gram (add_to_gram (gram, text[0]), text[1]);
  for (gsize i = 2; i < len; i++)
    {
      gram = add_to_gram (gram, text[i]);
      for (guint word = table->first[hash_gram (gram)]; word != 0; word = table->words[word].next)
        if (is_word (&table->words[word], text + i - 2, len - i + 2))
          rules |= 1u << table->words[word].rule;
    }
  return rules;
}

/* @index: the number of a rule, from 0 */
const LsobsRedactRule *
_lsobs_secret_rules_get (guint index)
{
  return get_rules ()[index];
}

/* Returns: the length of a token that begins at @p; 0 if none does */
static gsize
measure_token (const Word *word, const char *p, const char *end)
{
  guint min = secret_rules[word->rule].min_token;
  const char *after = p + word->len;
  const char *stop = after;

  while (stop < end && (g_ascii_isalnum (*stop) || strchr ("_-.", *stop) != NULL))
    stop++;
  return min > 0 && (gsize) (stop - after) >= min ? (gsize) (stop - p) : 0;
}

/* Replaces the tokens of a text that begin like those of well-known services. This is less exact
 * than the rules are, and uses no regular expression: programs wait for it.
 * @text: without NUL
 * Returns: FALSE if the text has no token: nothing was appended */
gboolean
_lsobs_secret_rules_mask_tokens (LsobsBuffer *out, const char *text, gsize len)
{
  const WordTable *table = get_words ();
  const char *end = text + len;
  const char *copied = text;

  for (const char *p = text; end - p >= 3; p++)
    {
      guint32 gram = add_to_gram (add_to_gram (add_to_gram (0, p[0]), p[1]), p[2]);
      gsize token = 0;

      if (p > text && g_ascii_isalnum (p[-1]))
        continue;
      for (guint i = table->first[hash_gram (gram)]; i != 0 && token == 0; i = table->words[i].next)
        if (is_word (&table->words[i], p, (gsize) (end - p)))
          token = measure_token (&table->words[i], p, end);
      if (token == 0)
        continue;
      _lsobs_buffer_append (out, copied, (gsize) (p - copied));
      _lsobs_buffer_append_str (out, LSOBS_SECRET_DETECTED);
      copied = p + token;
      p = copied - 1;
    }
  if (copied == text)
    return FALSE;
  _lsobs_buffer_append (out, copied, (gsize) (end - copied));
  return TRUE;
}
