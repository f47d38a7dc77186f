/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-secret-rules-private.h"

/* What is common to the patterns: they are searched for in any text that a program
 * sends, so each begins with letters that are rare, and from where it begins it goes
 * on without a way back, or only a short one. Where a name is kept, \K forgets it. */

#define ALNUM "[0-9A-Za-z]"
#define WORD  "[0-9A-Za-z_-]"

/* A quote, which in JSON that is the text of a string comes with backslashes. */
#define QUOTE     "[\"'\\\\]{0,8}+"
#define SPACE     "\\s{0,16}+"
#define SEPARATOR QUOTE SPACE "[:=]{1,2}+>?+" SPACE QUOTE

#define TOKEN "[0-9A-Za-z._~+/=-]"

/* A password may hold an @ itself: the last one ends it. */
#define USER     "[^\\s\"'/?#<>@:]"
#define PASSWORD "[^\\s\"'/?#<>@]"

#define PEM_SPACE "(?:\\s|\\\\[nr])*+"
#define PEM_LABEL "[0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

/* Numbered as they are applied: what an earlier rule has hidden, a later one does
 * not find any more. */
/* clang-format off */
static const char * const patterns[LSOBS_N_SECRET_RULES] = {
  /* Anthropic */
  "sk-ant-" WORD "{20,}+",
  /* OpenAI: of a project, a service account, an administrator; and old ones */
  "sk-(?:proj|svcacct|admin)-" WORD "{20,}+",
  "sk-" ALNUM "{32,}+",
  /* LangSmith: new and old */
  "lsv2_(?:pt|sk)_" ALNUM "{32,}+(?:_" ALNUM "++)*+",
  "ls__" ALNUM "{16,}+",
  /* GitHub: classic and fine-grained */
  "gh[pousr]_" ALNUM "{36,}+",
  "github_pat_[0-9A-Za-z_]{82,}+",
  /* GitLab; the newer ones end in a length and a checksum */
  "glpat-" WORD "{20,}+(?:\\.[0-9a-z]{2}\\.[0-9a-z]{7,12}+)?+",
  /* AWS */
  "(?<!" ALNUM ")(?:AKIA|ASIA|ABIA|ACCA|A3T[0-9A-Z])[0-9A-Z]{16}(?!" ALNUM ")",
  /* Google: API keys and OAuth tokens */
  "AIza" WORD "{35,}+",
  "ya29\\." WORD "++",
  /* Slack: tokens, those of apps, addresses of web hooks */
  "xox[baprs]-[0-9A-Za-z-]{10,}+",
  "xapp-[0-9]-[0-9A-Za-z-]{10,}+",
  "https://hooks\\.slack\\.com/services/[0-9A-Za-z_/+-]++",
  /* Stripe */
  "(?<!" ALNUM ")[sr]k_(?:live|test)_" ALNUM "{20,}+",
  /* npm, PyPI, SendGrid */
  "npm_" ALNUM "{36,}+",
  "pypi-AgEIcHlwaS" WORD "{50,}+",
  "SG\\." WORD "{22}\\." WORD "{43,}+",
  /* JSON web tokens: header, payload and signature */
  "eyJ" WORD "++\\.eyJ" WORD "++\\." WORD "++",
  /* Private keys in PEM. When the end is missing, what looks like a part of one. */
  "-----BEGIN " PEM_LABEL
  "(?:[^-]*+(?:-(?!----END " PEM_LABEL ")[^-]*+)*+-----END " PEM_LABEL
  "|(?:" PEM_SPACE "(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash):[^\\r\\n\\\\]*+)*+"
  "(?:" PEM_SPACE "[0-9A-Za-z+/=]{16,}+)*+)",
  /* What is assigned to a name that says it is secret; the name stays. A backslash
   * before a quote belongs to the quote. */
  "(?i)(?:(?:api|private|access)[ _-]?key|secret|token|password|passwd)(?!" ALNUM ")"
  "(?:[._-]{1,3}+" ALNUM "{1,64}+){0,8}+" SEPARATOR
  "(?:(?:bearer|basic|token)\\s{1,16}+)?\\K"
  "(?=[^\\s\"'&;]{6})(?:[^\\s\"'&;\\\\]++|\\\\(?!\\\\{0,8}[\"']))++",
  /* Headers; the name and the scheme stay */
  "(?i)(?:authorization|x-api-key|x-auth-token)" SEPARATOR
  "(?:(?:bearer|token|basic|digest|negotiate|apikey|oauth|aws4-hmac-sha256"
  "|[a-z]{1,7}+(?=\\s{1,16}+" TOKEN "{16}))\\s{1,16}+)?\\K" TOKEN "{8,}+",
  /* Bearer tokens anywhere; the word stays */
  "(?i)\\bbearer\\s{1,16}+\\K" TOKEN "{10,}+",
  /* Passwords in addresses; all else stays */
  ALNUM "://" USER "*+:\\K(?:" PASSWORD "++(?=@)|@(?=" PASSWORD "*+@))++",
};
/* clang-format on */

/* A text in which none of the words of a rule occurs need not be searched by it. */
typedef struct
{
  const char *word;
  guint32 rules; /* bits */
  gboolean any_case;
} SecretWord;

#define RULE(number) (1u << (number - 1))

/* clang-format off */
static const SecretWord words[] = {
  { "sk-", RULE (3), FALSE },
  { "sk-ant-", RULE (1), FALSE },
  { "sk-proj-", RULE (2), FALSE },
  { "sk-svcacct-", RULE (2), FALSE },
  { "sk-admin-", RULE (2), FALSE },
  { "lsv2_", RULE (4), FALSE },
  { "ls__", RULE (5), FALSE },
  { "ghp_", RULE (6), FALSE },
  { "gho_", RULE (6), FALSE },
  { "ghu_", RULE (6), FALSE },
  { "ghs_", RULE (6), FALSE },
  { "ghr_", RULE (6), FALSE },
  { "github_pat_", RULE (7), FALSE },
  { "glpat-", RULE (8), FALSE },
  { "AKIA", RULE (9), FALSE },
  { "ASIA", RULE (9), FALSE },
  { "ABIA", RULE (9), FALSE },
  { "ACCA", RULE (9), FALSE },
  { "A3T", RULE (9), FALSE },
  { "AIza", RULE (10), FALSE },
  { "ya29.", RULE (11), FALSE },
  { "xox", RULE (12), FALSE },
  { "xapp-", RULE (13), FALSE },
  { "hooks.slack.com/services/", RULE (14), FALSE },
  { "sk_live_", RULE (15), FALSE },
  { "sk_test_", RULE (15), FALSE },
  { "rk_live_", RULE (15), FALSE },
  { "rk_test_", RULE (15), FALSE },
  { "npm_", RULE (16), FALSE },
  { "pypi-AgEIcHlwaS", RULE (17), FALSE },
  { "SG.", RULE (18), FALSE },
  { "eyJ", RULE (19), FALSE },
  { "-----BEGIN ", RULE (20), FALSE },
  { "apikey", RULE (21), TRUE },
  { "api key", RULE (21), TRUE },
  { "api_key", RULE (21), TRUE },
  { "api-key", RULE (21), TRUE },
  { "privatekey", RULE (21), TRUE },
  { "private key", RULE (21), TRUE },
  { "private_key", RULE (21), TRUE },
  { "private-key", RULE (21), TRUE },
  { "accesskey", RULE (21), TRUE },
  { "access key", RULE (21), TRUE },
  { "access_key", RULE (21), TRUE },
  { "access-key", RULE (21), TRUE },
  { "secret", RULE (21), TRUE },
  { "token", RULE (21), TRUE },
  { "password", RULE (21), TRUE },
  { "passwd", RULE (21), TRUE },
  { "authorization", RULE (22), TRUE },
  { "x-api-key", RULE (22), TRUE },
  { "x-auth-token", RULE (22), TRUE },
  { "bearer", RULE (23), TRUE },
  { "://", RULE (24), FALSE },
};
/* clang-format on */

/* The words are looked up by their first three characters, without case. */
#define HASH_BITS 12

typedef struct
{
  guint8 first[1 << HASH_BITS]; /* the number of a word, from 1; 0: none */
  guint8 next[G_N_ELEMENTS (words) + 1];
  gsize lengths[G_N_ELEMENTS (words)];
  LsobsRedactRule *rules[LSOBS_N_SECRET_RULES]; /* (owned) */
} Preset;

static inline guint32
add_to_gram (guint32 gram, char c)
{
  /* Letters lose their case; what else becomes the same is told apart later. */
  return gram >> 8 | (guint32) ((guchar) c | 0x20) << 16;
}

static inline guint
hash_gram (guint32 gram)
{
  return (gram * 2654435769u) >> (32 - HASH_BITS);
}

/* Made once, and kept: a regular expression takes long to compile. */
static const Preset *
get_preset (void)
{
  static Preset *preset;

  if (g_once_init_enter (&preset))
    {
      Preset *made = g_new0 (Preset, 1);

      for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        {
          const char *word = words[i].word;
          guint hash =
              hash_gram (add_to_gram (add_to_gram (add_to_gram (0, word[0]), word[1]), word[2]));

          made->lengths[i] = strlen (word);
          made->next[i + 1] = made->first[hash];
          made->first[hash] = (guint8) (i + 1);
        }
      for (guint i = 0; i < LSOBS_N_SECRET_RULES; i++)
        made->rules[i] = _lsobs_redact_rule_new_known (patterns[i], LSOBS_SECRET_DETECTED);
      g_once_init_leave (&preset, made);
    }
  return preset;
}

static gboolean
is_word (const SecretWord *word, gsize word_len, const char *text, gsize len)
{
  if (len < word_len)
    return FALSE;
  return word->any_case ? g_ascii_strncasecmp (text, word->word, word_len) == 0
                        : memcmp (text, word->word, word_len) == 0;
}

/* Which of the rules may match in the text, as bits: a quick look, which takes much
 * less time than the rules would. */
guint32
_lsobs_secret_rules_scan (const char *text, gsize len)
{
  const Preset *preset = get_preset ();
  guint32 rules = 0;
  guint32 gram = 0;

  if (len < 3)
    return 0;

  gram = add_to_gram (add_to_gram (gram, text[0]), text[1]);
  for (gsize i = 2; i < len; i++)
    {
      gram = add_to_gram (gram, text[i]);
      for (guint word = preset->first[hash_gram (gram)]; word != 0; word = preset->next[word])
        if (is_word (&words[word - 1], preset->lengths[word - 1], text + i - 2, len - i + 2))
          rules |= words[word - 1].rules;
    }
  return rules;
}

/* @index: from 0 */
const LsobsRedactRule *
_lsobs_secret_rules_get (guint index)
{
  return get_preset ()->rules[index];
}
