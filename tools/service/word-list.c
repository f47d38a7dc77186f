/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "tools/service/page-file.h"
#include "tools/service/word-list.h"
#include "tools/store/json-put.h"

/* A larger file is no catalogue of this program. */
#define MAX_CATALOGUE (16 * 1024 * 1024)

/* The largest number of plural forms, and the number of numbers whose form is told. */
#define MAX_FORMS 9
#define N_NUMBERS 200

/* The largest number of languages of a reader that are tried, and of characters in one. */
#define MAX_LANGUAGES    20
#define MAX_LANGUAGE_LEN 20

/* --- plurals --- */

/* An expression of C with the number n, which is computed while it is read. */
typedef struct
{
  const char *at;
  guint64 n;
  guint depth;
  gboolean failed;
} PluralParser;

static guint64 parse_choice (PluralParser *self);

static gboolean
take (PluralParser *self, const char *operator)
{
  gsize len = strlen (operator);

  while (*self->at == ' ')
    self->at++;
  if (strncmp (self->at, operator, len) != 0)
    return FALSE;
  self->at += len;
  return TRUE;
}

static guint64
parse_operand (PluralParser *self)
{
  guint64 value = 0;

  if (++self->depth > 100)
    self->failed = TRUE;
  else if (take (self, "!"))
    value = parse_operand (self) == 0;
  else if (take (self, "("))
    {
      value = parse_choice (self);
      self->failed = self->failed || !take (self, ")");
    }
  else if (take (self, "n"))
    value = self->n;
  else if (g_ascii_isdigit (*self->at))
    {
      char *end;

      value = g_ascii_strtoull (self->at, &end, 10);
      self->at = end;
    }
  else
    self->failed = TRUE;
  self->depth--;
  return value;
}

/* The operators of two values, those that bind closest first. */
static const char *const operators[][4] = {
  { "*", "/", "%", NULL },    { "+", "-", NULL, NULL },   { "<=", ">=", "<", ">" },
  { "==", "!=", NULL, NULL }, { "&&", NULL, NULL, NULL }, { "||", NULL, NULL, NULL },
};

static guint64
compute (PluralParser *self, const char *operator, guint64 a, guint64 b)
{
  switch (operator[0])
    {
    case '*':
      return a * b;
    case '/':
    case '%':
      self->failed = self->failed || b == 0;
      return b == 0 ? 0 : *operator== '/' ? a / b : a % b;
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '<':
      return operator[1] == '=' ? a <= b : a<b;
    case '>':
      return operator[1] == '=' ? a >= b : a> b;
    case '=':
      return a == b;
    case '!':
      return a != b;
    case '&':
      return a != 0 && b != 0;
    default:
      return a != 0 || b != 0;
    }
}

static guint64
parse_level (PluralParser *self, int level)
{
  guint64 value = level < 0 ? parse_operand (self) : parse_level (self, level - 1);

  for (guint i = 0; level >= 0 && i < 4 && operators[level][i] != NULL && !self->failed;)
    if (take (self, operators[level][i]))
      {
        value = compute (self, operators[level][i], value, parse_level (self, level - 1));
        i = 0;
      }
    else
      i++;
  return value;
}

static guint64
parse_choice (PluralParser *self)
{
  guint64 value = parse_level (self, G_N_ELEMENTS (operators) - 1);
  guint64 first;
  guint64 second;

  if (!take (self, "?"))
    return value;
  if (++self->depth > 100)
    self->failed = TRUE;
  first = self->failed ? 0 : parse_choice (self);
  self->failed = self->failed || !take (self, ":");
  second = self->failed ? 0 : parse_choice (self);
  self->depth--;
  return value != 0 ? first : second;
}

char *
word_list_dup_forms (const char *rule)
{
  const char *number = strstr (rule, "nplurals=");
  const char *plural = strstr (rule, "plural=");
  guint64 n_forms = number != NULL ? g_ascii_strtoull (number + strlen ("nplurals="), NULL, 10) : 0;
  g_autofree char *forms = g_strnfill (N_NUMBERS, '0');

  /* "nplurals=" has no "plural=" in it. */
  if (plural == NULL || n_forms < 1 || n_forms > MAX_FORMS)
    return NULL;
  for (guint n = 0; n < N_NUMBERS; n++)
    {
      PluralParser parser = { plural + strlen ("plural="), n, 0, FALSE };
      guint64 form = parse_choice (&parser);

      if (!take (&parser, ";") && *parser.at != '\0' && *parser.at != '\n')
        return NULL;
      if (parser.failed || form >= n_forms)
        return NULL;
      forms[n] = (char) ('0' + form);
    }
  return g_steal_pointer (&forms);
}

/* --- messages of the page --- */

/* Reads a literal of JavaScript at @at, which begins with a quote.
 * Returns: (nullable): what follows it; NULL if it does not end */
static const char *
read_literal (const char *at, GString *text)
{
  char quote = *at++;

  for (; *at != quote; at++)
    {
      if (*at == '\0' || *at == '\n')
        return NULL;
      if (*at != '\\')
        {
          g_string_append_c (text, *at);
          continue;
        }
      at++;
      if (*at == '\0')
        return NULL;
      if (*at == 'u' && strspn (at + 1, "0123456789abcdefABCDEF") >= 4)
        {
          g_autofree char *digits = g_strndup (at + 1, 4);

          g_string_append_unichar (text, (gunichar) strtoul (digits, NULL, 16));
          at += 4;
        }
      else
        g_string_append_c (text, *at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
    }
  return at + 1;
}

static const char *
skip_space (const char *at)
{
  while (g_ascii_isspace (*at))
    at++;
  return at;
}

/* Reads an argument that is one literal, or several with + between them.
 * Returns: (nullable): what follows it; NULL if it is something else */
static const char *
read_message (const char *at, GHashTable *messages)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (;;)
    {
      at = skip_space (at);
      if (*at != '"' && *at != '\'')
        return NULL;
      at = read_literal (at, text);
      if (at == NULL)
        return NULL;
      at = skip_space (at);
      if (*at != '+')
        break;
      at++;
    }
  if (*at != ',' && *at != ')')
    return NULL;
  if (g_utf8_validate (text->str, -1, NULL))
    g_hash_table_add (messages, g_strdup (text->str));
  return at;
}

/* Whether a call of the function begins at @at, in @source.
 * Returns: (nullable): what follows the bracket */
static const char *
skip_call (const char *source, const char *at, const char *name)
{
  gsize len = strlen (name);

  if (strncmp (at, name, len) != 0 ||
      (at > source && (g_ascii_isalnum (at[-1]) || at[-1] == '_' || at[-1] == '$')))
    return NULL;
  at = skip_space (at + len);
  return *at == '(' ? at + 1 : NULL;
}

void
word_list_find_messages (const char *source, GHashTable *messages)
{
  for (const char *at = source; *at != '\0'; at++)
    {
      const char *argument = skip_call (source, at, "_");

      if (argument != NULL)
        {
          read_message (argument, messages);
          continue;
        }
      argument = skip_call (source, at, "ngettext");
      if (argument != NULL)
        argument = read_message (argument, messages);
      if (argument != NULL && *argument == ',')
        read_message (argument + 1, messages);
    }
}

/* Returns: (transfer full) (element-type utf8 utf8): a set */
static GHashTable *
find_page_messages (void)
{
  GHashTable *messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) names = page_file_list ();

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (PageFile) file = g_str_has_suffix (*name, ".js") ? page_file_load (*name) : NULL;
      g_autofree char *source = NULL;

      if (file == NULL)
        continue;
      source = g_strndup (g_bytes_get_data (file->data, NULL), g_bytes_get_size (file->data));
      word_list_find_messages (source, messages);
    }
  return messages;
}

/* --- catalogues --- */

/* A file of msgfmt, see the manual of gettext, "The Format of GNU MO Files". */
typedef struct
{
  const char *data; /* (unowned) */
  gsize len;
  gboolean is_foreign; /* written by a machine with the other order of bytes */
} Catalogue;

static guint32
get_word (const Catalogue *self, gsize offset)
{
  guint32 word;

  memcpy (&word, self->data + offset, sizeof word);
  return self->is_foreign ? GUINT32_SWAP_LE_BE (word) : word;
}

/* Returns: (nullable): a string with its NUL; NULL if it is not within the file
 * @table: where the table is
 * @len: (out) */
static const char *
get_string (const Catalogue *self, guint32 table, guint32 number, gsize *len)
{
  gsize offset;

  *len = get_word (self, table + 8 * (gsize) number);
  offset = get_word (self, table + 8 * (gsize) number + 4);
  if (offset >= self->len || *len >= self->len - offset || self->data[offset + *len] != '\0' ||
      !g_utf8_validate (self->data + offset, -1, NULL))
    return NULL;
  return self->data + offset;
}

/* Appends the forms of a message, each of which ends with a NUL. */
static void
put_forms (LsobsBuffer *out, const char *name, const char *text, gsize len)
{
  const char *end = text + len;

  json_put_begin (out, name, '[');
  for (; text <= end; text += strlen (text) + 1)
    if (g_utf8_validate (text, -1, NULL))
      json_put_text (out, NULL, text);
  json_put_end (out, ']');
}

typedef struct
{
  LsobsBuffer words;
  LsobsBuffer plurals;
  char *forms; /* (owned) (nullable) */
} WordList;

static void
clear_list (WordList *self)
{
  _lsobs_buffer_clear (&self->words);
  _lsobs_buffer_clear (&self->plurals);
  g_free (self->forms);
}

static void
read_entry (WordList *self,
            const char *message,
            gsize message_len,
            const char *text,
            gsize len,
            GHashTable *wanted)
{
  const char *rule;

  if (*message == '\0')
    {
      rule = strstr (text, "Plural-Forms:");
      if (rule != NULL)
        self->forms = word_list_dup_forms (rule);
    }
  else if (!g_hash_table_contains (wanted, message) || *text == '\0')
    return;
  else if (strlen (message) < message_len)
    put_forms (&self->plurals, message, text, len);
  else
    json_put_text (&self->words, message, text);
}

static gboolean
read_catalogue (WordList *self, const char *data, gsize len, GHashTable *wanted)
{
  Catalogue file = { data, len, FALSE };
  guint32 n;
  guint32 messages;
  guint32 texts;

  if (len < 20 || len > MAX_CATALOGUE)
    return FALSE;
  file.is_foreign = get_word (&file, 0) == 0xde120495;
  if (get_word (&file, 0) != 0x950412de)
    return FALSE;
  n = get_word (&file, 8);
  messages = get_word (&file, 12);
  texts = get_word (&file, 16);
  if (n > len / 8 || messages > len - 8 * (gsize) n || texts > len - 8 * (gsize) n)
    return FALSE;
  for (guint32 i = 0; i < n; i++)
    {
      gsize message_len;
      gsize text_len;
      const char *message = get_string (&file, messages, i, &message_len);
      const char *text = get_string (&file, texts, i, &text_len);

      if (message != NULL && text != NULL)
        read_entry (self, message, message_len, text, text_len, wanted);
    }
  return TRUE;
}

/* --- languages --- */

/* Reads the catalogue of a language: of "pt-BR", that of pt_BR, or that of pt.
 * @name: (out) (transfer full): which one it is */
static gboolean
load_language (const char *language, GHashTable *wanted, WordList *list, char **name)
{
  /* The folder that main () has set. */
  const char *folder = bindtextdomain (GETTEXT_PACKAGE, NULL);
  g_auto (GStrv) parts = g_strsplit (language, "-", 3);
  g_autofree char *region = parts[0] != NULL && parts[1] != NULL
                                ? g_ascii_strup (parts[g_strv_length (parts) - 1], -1)
                                : NULL;
  /* Chinese is called by its script, too. */
  const char *place = g_strcmp0 (region, "HANS") == 0 ? "CN" : region;
  g_autofree char *base = parts[0] != NULL ? g_ascii_strdown (parts[0], -1) : g_strdup ("");
  g_autofree char *local = place != NULL ? g_strconcat (base, "_", place, NULL) : NULL;
  const char *other = strcmp (base, "zh") == 0   ? "zh_CN"
                      : strcmp (base, "pt") == 0 ? "pt_BR"
                                                 : NULL;
  const char *const tries[] = { local, base, other };

  for (guint i = 0; i < G_N_ELEMENTS (tries) && folder != NULL; i++)
    {
      g_autofree char *path = NULL;
      g_autofree char *data = NULL;
      gsize len;

      if (tries[i] == NULL)
        continue;
      path = g_build_filename (folder, tries[i], "LC_MESSAGES", GETTEXT_PACKAGE ".mo", NULL);
      if (!g_file_get_contents (path, &data, &len, NULL) ||
          !read_catalogue (list, data, len, wanted))
        continue;
      *name = g_strdelimit (g_strdup (tries[i]), "_", '-');
      return TRUE;
    }
  return FALSE;
}

/* A language, with the weight that its reader gives to it. */
typedef struct
{
  char *name; /* (owned) */
  double weight;
} LanguageOption;

static void
clear_option (gpointer data)
{
  g_free (((LanguageOption *) data)->name);
}

static int
compare_options (gconstpointer a, gconstpointer b)
{
  double x = ((const LanguageOption *) a)->weight;
  double y = ((const LanguageOption *) b)->weight;

  return x > y ? -1 : x < y;
}

/* Returns: (transfer full) (element-type LanguageOption): the best one first. Their names become parts of
 * paths: they are of letters, digits and "-". */
static GArray *
read_languages (const char *languages)
{
  GArray *options = g_array_new (FALSE, FALSE, sizeof (LanguageOption));
  g_auto (GStrv) parts = g_strsplit (languages, ",", MAX_LANGUAGES + 1);

  g_array_set_clear_func (options, clear_option);
  for (guint i = 0; parts[i] != NULL && i < MAX_LANGUAGES; i++)
    {
      const char *name = g_strdelimit (g_strstrip (parts[i]), "_", '-');
      gsize len = strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
      const char *weight = strstr (name, "q=");
      LanguageOption option = { NULL, weight != NULL ? g_ascii_strtod (weight + 2, NULL) : 1 };

      if (len == 0 || len > MAX_LANGUAGE_LEN || strchr ("; ", name[len]) == NULL ||
          option.weight <= 0)
        continue;
      option.name = g_strndup (name, len);
      g_array_append_val (options, option);
    }
  /* Stable: of the same weight, the first one. */
  g_array_sort (options, compare_options);
  return options;
}

void
word_list_put (LsobsBuffer *out, const char *languages)
{
  g_autoptr (GArray) options = read_languages (languages != NULL ? languages : "");
  g_autoptr (GHashTable) wanted = find_page_messages ();
  g_autofree char *name = NULL;
  WordList list = { LSOBS_BUFFER_INIT, LSOBS_BUFFER_INIT, NULL };

  _lsobs_buffer_append_c (&list.words, '{');
  _lsobs_buffer_append_c (&list.plurals, '{');
  for (guint i = 0; i < options->len && name == NULL; i++)
    {
      const char *language = g_array_index (options, LanguageOption, i).name;

      /* The messages are English. */
      if (g_ascii_strncasecmp (language, "en", 2) == 0 &&
          (language[2] == '\0' || language[2] == '-'))
        break;
      load_language (language, wanted, &list, &name);
    }
  _lsobs_buffer_append (&list.words, "}", 2);
  _lsobs_buffer_append (&list.plurals, "}", 2);
  json_put_begin (out, NULL, '{');
  json_put_text (out, "lang", name != NULL ? name : "en");
  json_put_json (out, "words", list.words.data);
  json_put_json (out, "plurals", list.plurals.data);
  if (list.forms == NULL)
    list.forms = word_list_dup_forms ("nplurals=2; plural=n != 1;");
  json_put_text (out, "forms", list.forms);
  json_put_end (out, '}');
  clear_list (&list);
}
