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

/* A password may contain @: the last @ ends it. */
#define USER     "[^\\s\"'/?#<>@:]"
#define PASSWORD "[^\\s\"'/?#<>@]"

#define PEM_SPACE "(?:\\s|\\\\[nr])*+"
#define PEM_LABEL "[0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

typedef struct
{
  const char *pattern;
  const char *words[18]; /* each match contains at least one of them; NULL: no more words */
  gboolean any_case;     /* of the words */
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
  { .pattern = "(?i)(?:(?:api|private|access)[ _-]?key|secret|token|password|passwd)(?!" ALNUM ")"
               "(?:[._-]{1,3}+" ALNUM "{1,64}+){0,8}+" SEPARATOR
               "(?:(?:bearer|basic|token)\\s{1,16}+)?\\K"
               "(?=[^\\s\"'&;]{6})(?:[^\\s\"'&;\\\\]++|\\\\(?!\\\\{0,8}[\"']))++",
    .words = { "apikey", "api key", "api_key", "api-key", "privatekey", "private key",
               "private_key", "private-key", "accesskey", "access key", "access_key",
               "access-key", "secret", "token", "password", "passwd" },
    .any_case = TRUE },
  /* Headers, without the name and the scheme */
  { .pattern = "(?i)(?:authorization|x-api-key|x-auth-token)" SEPARATOR
               "(?:(?:bearer|token|basic|digest|negotiate|apikey|oauth|aws4-hmac-sha256"
               "|[a-z]{1,7}+(?=\\s{1,16}+" TOKEN "{16}))\\s{1,16}+)?\\K" TOKEN "{8,}+",
    .words = { "authorization", "x-api-key", "x-auth-token" },
    .any_case = TRUE },
  /* Bearer tokens anywhere */
  { .pattern = "(?i)\\bbearer\\s{1,16}+\\K" TOKEN "{10,}+",
    .words = { "bearer" },
    .any_case = TRUE },
  /* Passwords in addresses */
  { .pattern = ALNUM "://" USER "*+:\\K(?:" PASSWORD "++(?=@)|@(?=" PASSWORD "*+@))++",
    .words = { "://" } },
  /* Anthropic */
  { .pattern = "sk-ant-" WORD "{20,}+",
    .words = { "sk-ant-" } },
  /* OpenAI: keys of projects, service accounts and administrators; old keys */
  { .pattern = "sk-(?:proj|svcacct|admin)-" WORD "{20,}+",
    .words = { "sk-proj-", "sk-svcacct-", "sk-admin-" } },
  { .pattern = "sk-" ALNUM "{32,}+",
    .words = { "sk-" } },
  /* LangSmith: new and old */
  { .pattern = "lsv2_(?:pt|sk)_" ALNUM "{32,}+(?:_" ALNUM "++)*+",
    .words = { "lsv2_" } },
  { .pattern = "ls__" ALNUM "{16,}+",
    .words = { "ls__" } },
  /* GitHub: classic and fine-grained */
  { .pattern = "gh[pousr]_" ALNUM "{36,}+",
    .words = { "ghp_", "gho_", "ghu_", "ghs_", "ghr_" } },
  { .pattern = "github_pat_[0-9A-Za-z_]{82,}+",
    .words = { "github_pat_" } },
  /* GitLab: newer tokens end with a length and a checksum */
  { .pattern = "glpat-" WORD "{20,}+(?:\\.[0-9a-z]{2}\\.[0-9a-z]{7,12}+)?+",
    .words = { "glpat-" } },
  /* AWS */
  { .pattern = "(?<!" ALNUM ")(?:AKIA|ASIA|ABIA|ACCA|A3T[0-9A-Z])[0-9A-Z]{16}(?!" ALNUM ")",
    .words = { "AKIA", "ASIA", "ABIA", "ACCA", "A3T" } },
  /* Google: API keys and OAuth tokens */
  { .pattern = "AIza" WORD "{35,}+",
    .words = { "AIza" } },
  { .pattern = "ya29\\." WORD "++",
    .words = { "ya29." } },
  /* Slack: tokens, tokens of apps, addresses of web hooks */
  { .pattern = "xox[baprs]-[0-9A-Za-z-]{10,}+",
    .words = { "xox" } },
  { .pattern = "xapp-[0-9]-[0-9A-Za-z-]{10,}+",
    .words = { "xapp-" } },
  { .pattern = "https://hooks\\.slack\\.com/services/[0-9A-Za-z_/+-]++",
    .words = { "hooks.slack.com/services/" } },
  /* Stripe */
  { .pattern = "(?<!" ALNUM ")[sr]k_(?:live|test)_" ALNUM "{20,}+",
    .words = { "sk_live_", "sk_test_", "rk_live_", "rk_test_" } },
  /* npm, PyPI, SendGrid */
  { .pattern = "npm_" ALNUM "{36,}+",
    .words = { "npm_" } },
  { .pattern = "pypi-AgEIcHlwaS" WORD "{50,}+",
    .words = { "pypi-AgEIcHlwaS" } },
  { .pattern = "SG\\." WORD "{22}\\." WORD "{43,}+",
    .words = { "SG." } },
  /* JSON web tokens: header, payload and signature */
  { .pattern = "eyJ" WORD "++\\.eyJ" WORD "++\\." WORD "++",
    .words = { "eyJ" } },
};
/* clang-format on */

/* A scan returns a bit for each rule. */
G_STATIC_ASSERT (G_N_ELEMENTS (secret_rules) <= 32);

/* The words are looked up by their first three characters, without case. */
#define HASH_BITS 12
#define MAX_WORDS 64

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
  Word words[MAX_WORDS + 1];                           /* by number, from 1 */
  LsobsRedactRule *rules[G_N_ELEMENTS (secret_rules)]; /* (owned) */
} RuleTable;

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
add_word (RuleTable *table, guint rule, const char *text)
{
  guint hash = hash_gram (add_to_gram (add_to_gram (add_to_gram (0, text[0]), text[1]), text[2]));
  guint number = ++table->n_words;

  g_assert (number <= MAX_WORDS);
  table->words[number] =
      (Word){ .text = text, .len = strlen (text), .rule = rule, .next = table->first[hash] };
  table->first[hash] = (guint8) number;
}

/* The table is made once and never freed: compiling its regular expressions takes long. */
static const RuleTable *
get_table (void)
{
  static RuleTable *table;

  if (g_once_init_enter (&table))
    {
      RuleTable *made = g_new0 (RuleTable, 1);

      for (guint i = 0; i < G_N_ELEMENTS (secret_rules); i++)
        {
          made->rules[i] =
              _lsobs_redact_rule_new_known (secret_rules[i].pattern, LSOBS_SECRET_DETECTED);
          for (guint j = 0; secret_rules[i].words[j] != NULL; j++)
            add_word (made, i, secret_rules[i].words[j]);
        }
      g_once_init_leave (&table, made);
    }
  return table;
}

static gboolean
is_word (const Word *word, const char *text, gsize len)
{
  if (len < word->len)
    return FALSE;
  return secret_rules[word->rule].any_case ? g_ascii_strncasecmp (text, word->text, word->len) == 0
                                           : memcmp (text, word->text, word->len) == 0;
}

/* Finds the rules that may match in a text. This takes much less time than the rules would.
 * Returns: a bit for each rule, the lowest one for the first rule */
guint32
_lsobs_secret_rules_scan (const char *text, gsize len)
{
  const RuleTable *table = get_table ();
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
  return get_table ()->rules[index];
}
