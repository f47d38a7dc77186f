/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/lsobs-secret-name-private.h"

/* The names of secrets among the parameters of a call. In doubt it is one: a parameter
 * less is no harm. */

#define MAX_WORDS 16
#define MAX_WORD  32

/* A name such as `x-api-key`, `apiKey` or `API_KEY` as three words. Only the last ones
 * of a name that has many. */
typedef struct
{
  char words[MAX_WORDS][MAX_WORD];
  guint n_words;
} Words;

static gboolean
begins_word (const char *name, const char *p)
{
  if (p == name || !g_ascii_isalnum (p[-1]))
    return TRUE;
  return g_ascii_isupper (*p) && g_ascii_islower (p[-1]);
}

static void
add_word (Words *self, const char *start, gsize len)
{
  char *word;

  if (self->n_words == MAX_WORDS)
    {
      memmove (self->words[0], self->words[1], sizeof self->words - sizeof self->words[0]);
      self->n_words--;
    }
  word = self->words[self->n_words++];
  len = MIN (len, MAX_WORD - 1);
  for (gsize i = 0; i < len; i++)
    word[i] = g_ascii_tolower (start[i]);
  word[len] = '\0';
}

static void
split (Words *self, const char *name)
{
  const char *start = NULL;
  const char *p;

  self->n_words = 0;
  for (p = name; *p != '\0'; p++)
    {
      if (start != NULL && (!g_ascii_isalnum (*p) || begins_word (name, p)))
        {
          add_word (self, start, (gsize) (p - start));
          start = NULL;
        }
      if (start == NULL && g_ascii_isalnum (*p))
        start = p;
    }
  if (start != NULL)
    add_word (self, start, (gsize) (p - start));
}

static gboolean
is_among (const char *word, const char *const *words)
{
  for (; *words != NULL; words++)
    if (strcmp (word, *words) == 0)
      return TRUE;
  return FALSE;
}

/* Whether a member of this name is likely to hold a key, a password or the like. A
 * number of tokens is none, nor is the word that ends a sequence. */
gboolean
_lsobs_secret_name_is (const char *name)
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
  Words words;

  split (&words, name);
  for (guint i = 0; i < words.n_words; i++)
    {
      const char *word = words.words[i];
      gboolean is_last = i + 1 == words.n_words;

      if (is_among (word, secrets) || strstr (word, "apikey") != NULL ||
          strstr (word, "secret") != NULL || strstr (word, "password") != NULL)
        return TRUE;
      if ((strcmp (word, "key") == 0 || strcmp (word, "keys") == 0) &&
          (is_last || (i > 0 && is_among (words.words[i - 1], of_keys))))
        return TRUE;
      if (is_last && (strcmp (word, "token") == 0 || strcmp (word, "tokens") == 0) &&
          (i == 0 ? strcmp (word, "token") == 0 : is_among (words.words[i - 1], of_tokens)))
        return TRUE;
    }
  return FALSE;
}

/* Whether a value begins as that of a header which holds a secret. */
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
