/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Redaction: a secret that is planted in a text does not survive, whatever is around it. The first
 * three bytes choose how it is found, how it is planted and which options there are; the rest, up
 * to a newline and from it on, is what is around it. A fourth byte chooses how JSON with the secret
 * is put in strings. */

#include "config.h"

#include "fuzz/fuzz.h"
#include "fuzz/strict-json.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* Found by a pattern of the program, and by the name of its member. */
#define OWN_SECRET "Tq7#secret-0815"
#define KEY        "pass\xc3\xa9-word"

/* Other spellings of the name, which are the same one. */
static const char *const keys[] = { KEY,
                                    "PASS\xc3\x89-WORD",
                                    "passe\xcc\x81-word",
                                    "Passe\xcc\x81-Word",
                                    "Pass\xc3\xa9Word",
                                    " pass\xc3\xa9 word ",
                                    "pass\xe2\x80\x8b\xc3\xa9_word" };

/* What the rules for secrets find. */
typedef struct
{
  const char *text;
  const char *core;  /* that must not survive */
  gboolean anywhere; /* it is found as a part of a longer word, too */
} KnownSecret;

/* clang-format off */
static const KnownSecret known_secrets[] = {
  { "sk-ant-api03-Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "sk-proj-Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "sk-Zq8LmT5vXw2RkY7bNc4DZq8LmT5vXw2R", "LmT5vXw2RkY7bNc4DZq8LmT5vXw2" },
  { "lsv2_pt_Zq8LmT5vXw2RkY7bNc4DZq8LmT5vXw2R_0123456789", "LmT5vXw2RkY7bNc4DZq8LmT5vXw2" },
  { "ghp_Zq8LmT5vXw2RkY7bNc4DZq8LmT5vXw2RkY7b", "LmT5vXw2RkY7bNc4DZq8LmT5vXw2" },
  { "glpat-Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "AKIAZQ8LMT5VXW2RKY7B", "AKIAZQ8LMT5VXW2RKY7B" },
  { "AIzaZq8LmT5vXw2RkY7bNc4DZq8LmT5vXw2RkY7", "LmT5vXw2RkY7bNc4DZq8LmT5vXw2" },
  { "xoxb-Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "npm_Zq8LmT5vXw2RkY7bNc4DZq8LmT5vXw2RkY7b", "LmT5vXw2RkY7bNc4DZq8LmT5vXw2" },
  { "eyJhbGciOi.eyJzdWIiOi.Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "password=Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D", .anywhere = TRUE },
  { "Bearer Zq8LmT5vXw2RkY7bNc4D", "Zq8LmT5vXw2RkY7bNc4D" },
  { "https://root:Zq8LmT5vXw2RkY7bNc4D@db/", "Zq8LmT5vXw2RkY7bNc4D" },
};
/* clang-format on */

typedef enum
{
  FIND_BY_PATTERN,
  FIND_BY_NAME,
  FIND_BY_RULES,
  N_FINDERS
} Finder;

typedef enum
{
  PLANT_RAW,    /* the bytes around it are text as they are */
  PLANT_STRING, /* the bytes around it are in the same string, with escapes */
  PLANT_MEMBER, /* the bytes around it are other members, if they are JSON */
  PLANT_NESTED, /* the bytes around it are in strings of JSON that is in a string */
  N_PLANTS
} Plant;

typedef struct
{
  Finder finder;
  Plant plant;
  guint8 nesting;     /* how JSON is put in strings, and whether it is cut */
  guint8 escapes;     /* a bit for each of eight characters: it is written as an escape */
  const char *key;    /* the name of the member */
  const char *secret; /* as it is planted */
  const char *core;   /* what must not survive */
  char *before;       /* (owned) */
  char *after;        /* (owned) */
} Planting;

/* Each redactor is made once, as a program makes it. */
static LsobsRedactor *
peek_redactor (Finder finder)
{
  static LsobsRedactor *redactors[N_FINDERS];
  LsobsRedactRule *rule;

  if (redactors[finder] != NULL)
    return redactors[finder];
  redactors[finder] = _lsobs_redactor_new ();
  if (finder == FIND_BY_NAME)
    {
      _lsobs_redactor_add_key (redactors[finder], KEY);
      _lsobs_redactor_set_pairs (redactors[finder], TRUE);
    }
  if (finder == FIND_BY_RULES)
    _lsobs_redactor_add_secrets (redactors[finder]);
  if (finder == FIND_BY_PATTERN)
    {
      rule = _lsobs_redact_rule_new ("Tq7#secret-[0-9]+", NULL, LSOBS_REPLACEMENT_LITERAL, NULL);
      g_assert_nonnull (rule);
      _lsobs_redactor_take_rule (redactors[finder], rule);
    }
  return redactors[finder];
}

/* Appends the characters of a JSON string. @text need not be UTF-8, which JSON text need not be. */
static void
append_escaped (GString *out, const char *text, guint8 escapes)
{
  for (guint i = 0; text[i] != '\0'; i++)
    {
      guchar c = (guchar) text[i];

      if (c < 0x20 || c == '"' || c == '\\' || (c < 0x80 && (escapes >> (i % 8) & 1) != 0))
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_c (out, (char) c);
    }
}

static void
append_string (GString *out, const char *before, const Planting *planting, const char *after)
{
  g_string_append_c (out, '"');
  append_escaped (out, before, planting->escapes >> 4);
  append_escaped (out, planting->secret, planting->escapes);
  append_escaped (out, after, planting->escapes >> 4);
  g_string_append_c (out, '"');
}

/* The secret as a string, and the bytes around it, which may close arrays and open them. */
static void
append_value (GString *out, const Planting *planting)
{
  g_string_append (out, planting->before);
  append_string (out, "", planting, "");
  g_string_append (out, planting->after);
}

/* Appends JSON with the secret: other members, the one with the secret, and more of them. What comes
 * after the secret may be missing. */
static void
append_object (GString *out, const Planting *planting)
{
  g_autofree char *before = g_utf8_make_valid (planting->before, -1);
  g_autofree char *after = g_utf8_make_valid (planting->after, -1);
  guint form = planting->nesting >> 2 & 3;

  g_string_append (out, "{\"before\":\"");
  append_escaped (out, before, planting->escapes >> 4);
  g_string_append (out, "\",");
  if (planting->finder != FIND_BY_NAME || form == 0)
    {
      g_string_append_c (out, '"');
      append_escaped (out, planting->finder == FIND_BY_NAME ? planting->key : "a",
                      planting->escapes);
      g_string_append (out, "\":");
      append_string (out, "", planting, "");
    }
  else if (form == 1)
    {
      g_string_append_c (out, '"');
      append_escaped (out, planting->key, planting->escapes);
      g_string_append (out, "\" : [{\"");
      append_escaped (out, before, planting->escapes >> 4);
      g_string_append (out, "\":[1,");
      append_string (out, before, planting, after);
      g_string_append (out, "]}]");
    }
  else if (form == 2)
    {
      g_string_append (out, "\"name\":\"");
      append_escaped (out, planting->key, planting->escapes);
      g_string_append (out, "\",\"value\":");
      append_string (out, before, planting, after);
    }
  else
    {
      g_string_append (out, "\"value\":{\"a\":");
      append_string (out, before, planting, after);
      g_string_append (out, "},\"name\":\"");
      append_escaped (out, planting->key, planting->escapes);
      g_string_append_c (out, '"');
    }
  /* Without the end, nobody could tell what a pair belongs to that has its value first. */
  if ((planting->nesting & 0x80) != 0 && form != 3)
    return;
  g_string_append (out, ",\"after\":\"");
  append_escaped (out, after, planting->escapes >> 4);
  g_string_append (out, "\"}");
}

/* Returns: (transfer full): JSON with the secret, in up to three strings; or several lines of it */
static GString *
make_nested (const Planting *planting)
{
  GString *out = g_string_new (NULL);

  append_object (out, planting);
  if ((planting->nesting & 0x40) != 0 && (planting->nesting & 0x80) == 0)
    {
      g_string_append (out, "\n{}\n");
      append_object (out, planting);
    }
  for (guint i = 0; i <= (planting->nesting & 3); i++)
    {
      g_autoptr (GString) whole = g_string_new ("{\"arguments\":\"");

      append_escaped (whole, out->str, i == 0 ? planting->escapes : 0);
      g_string_append (whole, "\"}");
      g_string_assign (out, whole->str);
    }
  return out;
}

/* Returns: (transfer full): the text with the secret */
static GString *
make_text (const Planting *planting)
{
  GString *out;

  if (planting->plant == PLANT_NESTED)
    return make_nested (planting);
  out = g_string_new (NULL);
  if (planting->finder == FIND_BY_NAME)
    {
      StrictFlaws flaws;
      g_autoptr (GString) inner = g_string_new (NULL);
      g_autoptr (StrictValue) value = NULL;

      append_value (inner, planting);
      value = strict_value_read (inner->str, inner->len, &flaws);
      g_string_append (out, "[{\"");
      append_escaped (out, planting->key, planting->escapes);
      g_string_append (out, "\":");
      /* If it is not one value, it would end the member that is hidden. */
      if (value != NULL && (flaws & STRICT_FLAW_MARK) == 0)
        g_string_append_len (out, inner->str, (gssize) inner->len);
      else
        append_string (out, planting->before, planting, planting->after);
      g_string_append (out, "}]");
    }
  else if (planting->plant == PLANT_RAW)
    {
      g_string_append (out, planting->before);
      g_string_append (out, planting->secret);
      g_string_append (out, planting->after);
    }
  else if (planting->plant == PLANT_STRING)
    {
      g_string_append (out, "{\"a\":[1,");
      append_string (out, planting->before, planting, planting->after);
      g_string_append (out, "]}");
    }
  else
    {
      append_value (out, planting);
    }
  return out;
}

/* A space makes the words around the secret end. */
static void
choose_known (Planting *planting, guint8 choice)
{
  const KnownSecret *known = &known_secrets[choice % G_N_ELEMENTS (known_secrets)];
  char *longer;

  planting->secret = known->text;
  planting->core = known->core;
  if (known->anywhere)
    return;
  longer = g_strconcat (planting->before, " ", NULL);
  g_free (planting->before);
  planting->before = longer;
  longer = g_strconcat (" ", planting->after, NULL);
  g_free (planting->after);
  planting->after = longer;
}

/* Whether a text has the secret in it, however often its escapes are taken off. */
static gboolean
contains_core (const char *text, gsize len, const char *core)
{
  g_autoptr (GString) current = g_string_new_len (text, (gssize) len);

  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (GString) next = g_string_new (NULL);

      if (g_strstr_len (current->str, (gssize) current->len, core) != NULL)
        return TRUE;
      if (memchr (current->str, '\\', current->len) == NULL)
        return FALSE;
      for (gsize j = 0; j < current->len; j++)
        {
          const char *p = current->str + j;
          gint code = 0;

          if (*p == '\\' && p[1] == 'u' && g_ascii_isxdigit (p[2]) && g_ascii_isxdigit (p[3]) &&
              g_ascii_isxdigit (p[4]) && g_ascii_isxdigit (p[5]))
            {
              for (guint k = 2; k < 6; k++)
                code = code * 16 + g_ascii_xdigit_value (p[k]);
              g_string_append_unichar (next, code != 0 ? (gunichar) code : ' ');
              j += 5;
            }
          else if (*p == '\\' && p[1] != '\0' && strchr ("\"\\/", p[1]) != NULL)
            {
              g_string_append_c (next, p[1]);
              j++;
            }
          else
            g_string_append_c (next, *p);
        }
      g_string_assign (current, next->str);
    }
  return FALSE;
}

static void
check_text (const Planting *planting, const GString *text, const LsobsSanitizeOptions *options)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_autoptr (StrictValue) value = NULL;
  StrictFlaws flaws;

  _lsobs_json_sanitize (&out, text->str, text->len, options);
  value = strict_value_read (out.data, out.len, &flaws);
  g_assert_nonnull (value);
  g_assert_cmpint (flaws, ==, 0);
  g_assert_false (strict_value_contains (value, planting->core));
  if (planting->plant == PLANT_NESTED)
    g_assert_false (contains_core (out.data, out.len, planting->core));
}

/* The text of an error, or a tag, is no JSON. */
static void
check_plain (const Planting *planting)
{
  LsobsRedactor *redactor = peek_redactor (planting->finder);
  g_autofree char *text = g_strconcat (planting->before, planting->secret, planting->after, NULL);
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autofree char *redacted = _lsobs_redactor_apply_text (redactor, valid);

  g_assert_null (strstr (redacted, planting->core));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };
  guint8 choice = fuzz_input_take_byte (&input);
  guint8 how = fuzz_input_take_byte (&input);
  LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
  Planting planting = {
    .finder = (Finder) (choice % N_FINDERS),
    .plant = (Plant) (how % N_PLANTS),
    .escapes = fuzz_input_take_byte (&input),
    .nesting = (Plant) (how % N_PLANTS) == PLANT_NESTED ? fuzz_input_take_byte (&input) : 0,
    .key = keys[choice / N_FINDERS % G_N_ELEMENTS (keys)],
    .secret = OWN_SECRET,
    .core = OWN_SECRET,
  };
  const LsobsSanitizeOptions options = {
    .redactor = peek_redactor (planting.finder),
    .wrap = (how & 0x80) != 0,
    .max_string_bytes = (how & 0x40) != 0 ? 24 : 0,
    .budget = &budget,
  };
  g_autoptr (GString) text = NULL;

  planting.before = fuzz_input_take_line (&input);
  planting.after = fuzz_input_take_text (&input, input.len);
  if (planting.finder == FIND_BY_RULES)
    choose_known (&planting, choice / N_FINDERS);
  /* A fuzzer that watches comparisons comes upon the secret itself. */
  if (strstr (planting.before, planting.core) == NULL &&
      strstr (planting.after, planting.core) == NULL)
    {
      text = make_text (&planting);
      check_text (&planting, text, &options);
      if (planting.finder != FIND_BY_NAME)
        check_plain (&planting);
    }
  g_free (planting.before);
  g_free (planting.after);
  return 0;
}
