/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/text/lsobs-redact-keys-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"

/* Recognises the names of parameters that hold secrets. In case of doubt the answer is yes: a
 * missing parameter does no harm. */

/* A word of a name: `x-api-key`, `apiKey` and `API_KEY` have several words. */
typedef struct
{
  const char *start;
  gsize len;
} Word;

static gboolean
begins_word (const char *name, const char *p)
{
  if (p == name || !g_ascii_isalnum (p[-1]))
    return TRUE;
  return g_ascii_isupper (*p) && g_ascii_islower (p[-1]);
}

/* @p: (inout): the position in the name
 * Returns: FALSE if there is no further word */
static gboolean
next_word (const char *name, const char **p, Word *word)
{
  while (**p != '\0' && !g_ascii_isalnum (**p))
    (*p)++;
  word->start = *p;
  if (**p == '\0')
    return FALSE;
  do
    (*p)++;
  while (g_ascii_isalnum (**p) && !begins_word (name, *p));
  word->len = (gsize) (*p - word->start);
  return TRUE;
}

static gboolean
is_word (const Word *word, const char *text)
{
  return strlen (text) == word->len && g_ascii_strncasecmp (word->start, text, word->len) == 0;
}

/* @text: in lower case */
static gboolean
contains (const Word *word, const char *text)
{
  gsize len = strlen (text);

  for (gsize i = 0; i + len <= word->len; i++)
    if (g_ascii_tolower (word->start[i]) == *text &&
        g_ascii_strncasecmp (word->start + i, text, len) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_among (const Word *word, const char *const *words)
{
  for (; *words != NULL; words++)
    if (is_word (word, *words))
      return TRUE;
  return FALSE;
}

/* @name: in ASCII */
static gboolean
is_secret (const char *name)
{
  static const char *const secrets[] = {
    "authorization", "auth",   "oauth",   "password", "passwords",  "passwd",
    "passphrase",    "pwd",    "secret",  "secrets",  "credential", "credentials",
    "bearer",        "cookie", "cookies", "jwt",      NULL
  };
  static const char *const of_keys[] = {
    "api", "access", "private", "account", "subscription", NULL
  };
  /* clang-format off */
  static const char * const of_tokens[] = {
    "access", "api", "auth", "bearer", "client", "csrf", "github", "hf", "id", "refresh", "security",
    "service", "session", "user", NULL
  };
  /* clang-format on */
  Word word;
  Word before = { name, 0 };
  const char *p = name;

  for (gboolean more = next_word (name, &p, &word); more;)
    {
      Word next;

      more = next_word (name, &p, &next);
      if (is_among (&word, secrets) || contains (&word, "apikey") || contains (&word, "secret") ||
          contains (&word, "password"))
        return TRUE;
      if ((is_word (&word, "key") || is_word (&word, "keys")) &&
          (!more || is_among (&before, of_keys)))
        return TRUE;
      if (!more && (is_word (&word, "token") || is_word (&word, "tokens")) &&
          (before.len == 0 ? is_word (&word, "token") : is_among (&before, of_tokens)))
        return TRUE;
      before = word;
      word = next;
    }
  return FALSE;
}

/* Returns: (transfer full) (nullable): the ASCII characters of a name, without what has no width
 *   between them, and with - for each other one; NULL if the name has only such characters, or is
 *   not UTF-8 */
static char *
dup_ascii (const char *name)
{
  GString *ascii;
  const char *p = name;

  while (*p != '\0' && (guchar) *p < 0x80)
    p++;
  if (*p == '\0' || !g_utf8_validate (name, -1, NULL))
    return NULL;
  ascii = g_string_new (NULL);
  for (p = name; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c < 0x80)
        g_string_append_c (ascii, (char) c);
      else if (!_lsobs_redact_keys_skips (c) || g_unichar_isspace (c) || g_unichar_ispunct (c))
        g_string_append_c (ascii, '-');
    }
  return g_string_free (ascii, FALSE);
}

/* Whether a parameter with this name probably holds a secret, such as a key or a password. Numbers
 * of tokens (`max_tokens`) and tokens of a text (`stop_token`) are not secrets. */
gboolean
_lsobs_secret_name_is (const char *name)
{
  g_autofree char *ascii = dup_ascii (name);

  return is_secret (ascii != NULL ? ascii : name);
}

/* Returns: (nullable): the position behind the last letter before @p, or NULL if there are no letters or
 *   it is not in ASCII */
static const char *
skip_back (const char *name, const char *p)
{
  while (p > name && !g_ascii_isalpha (p[-1]))
    {
      p = g_utf8_prev_char (p);
      if ((guchar) *p >= 0x80 && !_lsobs_redact_keys_skips (g_utf8_get_char (p)))
        return NULL;
    }
  return p > name ? p : NULL;
}

/* Whether a name ends with a text, without regard to case, to digits and to what separates words.
 * @text: in lower case, with letters only */
static gboolean
ends_with (const char *name, gsize len, const char *text)
{
  const char *p = name + len;

  for (const char *t = text + strlen (text); t > text; t--)
    {
      p = skip_back (name, p);
      if (p == NULL || g_ascii_tolower (p[-1]) != t[-1])
        return FALSE;
      p--;
    }
  return TRUE;
}

/* Whether a member with this name holds a secret and nothing else: `password`, `openai_api_key`.
 * `token`, `key` and `cookie` are names of other values, too, and `authorization` has a scheme that is
 * kept.
 * @name: valid UTF-8 */
gboolean
_lsobs_secret_name_is_certain (const char *name, gsize len)
{
  static const char *const endings[] = {
    "password",    "passwd",          "passphrase",   "passcode",        "secret",
    "secretkey",   "accountkey",      "apikey",       "authkey",         "accesskey",
    "privatekey",  "secretaccesskey", "accesstoken",  "apitoken",        "authtoken",
    "bearertoken", "refreshtoken",    "sessiontoken", "subscriptionkey", NULL
  };

  for (guint i = 0; endings[i] != NULL; i++)
    if (ends_with (name, len, endings[i]))
      return TRUE;
  return FALSE;
}

/* Whether a value begins like the value of an Authorization header.
 * @value: (nullable) */
gboolean
_lsobs_secret_name_introduces (const char *value)
{
  static const char *const schemes[] = { "bearer ", "basic ", "digest ", "token " };

  if (value == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_ascii_strncasecmp (value, schemes[i], strlen (schemes[i])) == 0)
      return TRUE;
  return FALSE;
}
