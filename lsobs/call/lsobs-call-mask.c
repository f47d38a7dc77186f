/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/call/lsobs-call-mask-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "lsobs/text/lsobs-redact-rule-private.h"
#include "lsobs/text/lsobs-secret-name-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

/* Masks what a request, or an answer that repeats it, has beside the words of a model: the values
 * of members whose names are those of secrets, headers, the users and queries of addresses, and
 * tokens of well-known services.
 * The text is copied as it comes, and need not be whole. */

/* Copies JSON text. */
typedef struct
{
  LsobsBuffer *out; /* (unowned) */
  const char *p;    /* the next byte */
  const char *end;
  guint depth;                           /* open arrays and objects */
  gboolean is_map[LSOBS_JSON_MAX_DEPTH]; /* of each: its names are those of parameters */
  gboolean opens_map;                    /* the next object is such a one */
} MaskReader;

/* --- addresses --- */

/* The longest scheme that is looked for. */
#define MAX_SCHEME 32

/* Returns: (nullable): the "://" of an address that begins here */
static const char *
find_scheme_end (const char *p, const char *end)
{
  end = MIN ((gsize) (end - p), MAX_SCHEME) + p;
  if (p == end || !g_ascii_isalpha (*p))
    return NULL;
  while (p < end && (g_ascii_isalnum (*p) || *p == '+' || *p == '-' || *p == '.'))
    p++;
  return end - p >= 3 && memcmp (p, "://", 3) == 0 ? p : NULL;
}

/* Appends an address without what may be a secret: user, query and fragment.
 * @host: where the user or the host begins */
static void
append_address (LsobsBuffer *out, const char *address, const char *host, const char *end)
{
  const char *stop = host;
  const char *host_end;
  const char *at = NULL;

  while (stop < end && *stop != '?' && *stop != '#')
    stop++;
  for (host_end = host; host_end < stop && *host_end != '/'; host_end++)
    if (*host_end == '@')
      at = host_end;
  _lsobs_buffer_append (out, address, (gsize) (host - address));
  host = at != NULL ? at + 1 : host;
  _lsobs_buffer_append (out, host, (gsize) (stop - host));
}

/* Whether a byte cannot be part of an address in a sentence. */
static gboolean
ends_address (char c)
{
  return g_ascii_isspace (c) || strchr ("\"'<>`", c) != NULL;
}

/* Takes the users, queries and fragments out of the addresses in a text, and tokens out of all of
 * it.
 * Returns: (transfer full) */
char *
_lsobs_call_mask_text (const char *text)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;
  g_auto (LsobsBuffer) masked = LSOBS_BUFFER_INIT;
  const char *end = text + strlen (text);
  const char *p = text;

  while (p < end)
    {
      const char *scheme_end = find_scheme_end (p, end);
      const char *stop = p + 1;

      if (scheme_end == NULL)
        {
          /* An address begins at the beginning of a word, or behind a digit. */
          while (g_ascii_isalnum (*p) && g_ascii_isalnum (*stop) &&
                 !(g_ascii_isdigit (stop[-1]) && g_ascii_isalpha (*stop)))
            stop++;
          _lsobs_buffer_append (&out, p, (gsize) (stop - p));
          p = stop;
          continue;
        }
      for (stop = scheme_end; stop < end && !ends_address (*stop);)
        stop++;
      append_address (&out, p, scheme_end + strlen ("://"), stop);
      p = stop;
    }
  if (out.len > 0 && _lsobs_secret_rules_mask_tokens (&masked, out.data, out.len))
    return g_strndup (masked.data, masked.len);
  return g_strndup (out.len > 0 ? out.data : "", out.len);
}

/* --- names --- */

/* Whether a member has headers of HTTP. */
static gboolean
is_headers (const char *name)
{
  static const char word[] = "headers";
  gsize len = strlen (name);

  return len >= sizeof word - 1 && g_ascii_strcasecmp (name + len - (sizeof word - 1), word) == 0;
}

/* Whether a member has an address, also if that has no scheme. */
static gboolean
is_address (const char *name)
{
  static const char *const words[] = { "url", "uri", "endpoint" };
  gsize len = strlen (name);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (len >= strlen (words[i]) &&
        g_ascii_strcasecmp (name + len - strlen (words[i]), words[i]) == 0)
      return TRUE;
  return FALSE;
}

/* Whether the members of an object are the parameters of a function, each with a schema. */
static gboolean
is_map (const char *name)
{
  static const char *const names[] = { "properties", "patternProperties", "$defs", "definitions",
                                       NULL };

  return g_strv_contains (names, name);
}

/* --- copying --- */

static const char *
skip_space (const char *p, const char *end)
{
  while (p < end && g_ascii_isspace (*p))
    p++;
  return p;
}

/* @p: a quote. A string ends with the line, too: what is not JSON has quotes that open nothing.
 * Returns: the first byte after the string */
static const char *
skip_string (const char *p, const char *end)
{
  for (p++; p < end && *p != '"' && *p != '\n'; p++)
    if (*p == '\\' && p + 1 < end)
      p++;
  return p < end ? p + 1 : end;
}

/* Returns: the first byte after a value, of which the end may be missing */
static const char *
skip_value (const char *p, const char *end)
{
  guint depth = 0;

  for (; p < end; p++)
    {
      if (*p == '"')
        p = skip_string (p, end) - 1;
      else if (*p == '{' || *p == '[')
        depth++;
      else if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
        return p;
      else if ((*p == '}' || *p == ']') && --depth == 0)
        return p + 1;
    }
  return end;
}

/* Returns: (transfer full): the text of a string, from its quote to @end, of which the end may be
 *   missing */
static char *
dup_string (const char *quote, const char *end)
{
  g_auto (LsobsBuffer) decoded = LSOBS_BUFFER_INIT;
  const char *raw = quote + 1;
  LsobsJsonStringKind kind;
  gsize len;

  if (_lsobs_json_string_scan (raw, end, &kind) == end)
    {
      const char *text;

      len = (gsize) (end - 1 - raw);
      text = _lsobs_json_string_decode (raw, &len, kind, &decoded);
      return g_strndup (len > 0 ? text : "", len);
    }
  for (; raw < end; raw++)
    if (*raw != '\\')
      _lsobs_buffer_append_c (&decoded, *raw);
  return g_strndup (decoded.len > 0 ? decoded.data : "", decoded.len);
}

/* Whether an object is the schema of a parameter, as far as its first name tells. */
static gboolean
is_schema (const char *p, const char *end)
{
  static const char *const names[] = { "type",  "description", "title",   "$ref",  "anyOf",
                                       "oneOf", "allOf",       "default", "items", "properties",
                                       "enum",  "const",       NULL };
  g_autofree char *name = NULL;

  if (p == end || *p != '{')
    return FALSE;
  p = skip_space (p + 1, end);
  if (p == end || *p != '"')
    return p < end && *p == '}';
  name = dup_string (p, skip_string (p, end));
  return g_strv_contains (names, name);
}

/* Whether a string may have the "://" of an address, as it is in the JSON. */
static gboolean
may_have_address (const char *p, const char *end)
{
  for (; p + 1 < end; p++)
    if ((p[0] == ':' && (p[1] == '/' || p[1] == '\\')) || (p[0] == '\\' && p[1] == 'u'))
      return TRUE;
  return FALSE;
}

/* Whether a string may have a token, as it is in the JSON. */
static gboolean
may_have_token (const char *p, const char *end)
{
  g_auto (LsobsBuffer) masked = LSOBS_BUFFER_INIT;

  return _lsobs_secret_rules_mask_tokens (&masked, p, (gsize) (end - p));
}

/* Copies a string that is a value.
 * @is_address: whether it is an address, even without a scheme */
static void
take_string (MaskReader *self, gboolean is_address)
{
  const char *start = self->p;
  g_auto (LsobsBuffer) address = LSOBS_BUFFER_INIT;
  g_autofree char *text = NULL;
  g_autofree char *masked = NULL;

  self->p = skip_string (start, self->end);
  if (is_address || may_have_address (start, self->p) || may_have_token (start, self->p))
    text = dup_string (start, self->p);
  if (text != NULL && (!is_address || strstr (text, "://") != NULL))
    masked = _lsobs_call_mask_text (text);
  else if (text != NULL && !g_str_has_prefix (text, "data:"))
    {
      append_address (&address, text, text, text + strlen (text));
      masked = g_strndup (address.len > 0 ? address.data : "", address.len);
    }
  if (masked != NULL && strcmp (masked, text) != 0)
    _lsobs_json_write_string (self->out, masked, strlen (masked));
  else
    _lsobs_buffer_append (self->out, start, (gsize) (self->p - start));
}

/* Copies the name of a member, up to its value, and the value if it is a string or masked.
 * @colon: after the name */
static void
take_member (MaskReader *self, const char *name_end, const char *colon)
{
  g_autofree char *name = dup_string (self->p, name_end);
  const char *value = skip_space (colon + 1, self->end);
  gboolean is_parameter =
      self->depth > 0 && self->is_map[self->depth - 1] && is_schema (value, self->end);

  _lsobs_buffer_append (self->out, self->p, (gsize) (value - self->p));
  self->p = value;
  if (!is_parameter && (_lsobs_secret_name_is (name) || is_headers (name)))
    {
      _lsobs_buffer_append_str (self->out, "\"" LSOBS_REDACTED "\"");
      self->p = skip_value (value, self->end);
    }
  else if (value < self->end && *value == '"')
    take_string (self, is_address (name));
  else
    self->opens_map = is_map (name);
}

/* Copies a byte that is outside of strings. */
static void
take_byte (MaskReader *self)
{
  char c = *self->p++;

  _lsobs_buffer_append_c (self->out, c);
  if (c == '{' || c == '[')
    {
      if (self->depth < LSOBS_JSON_MAX_DEPTH)
        self->is_map[self->depth++] = c == '{' && self->opens_map;
      self->opens_map = FALSE;
    }
  else if ((c == '}' || c == ']') && self->depth > 0)
    self->depth--;
}

/* Copies JSON text, or what there is of it, or text that has JSON in its lines. */
void
_lsobs_call_mask_json (LsobsBuffer *out, const char *text, gsize len)
{
  MaskReader self = { .out = out, .p = text, .end = len > 0 ? text + len : text };

  while (self.p < self.end)
    {
      const char *string_end;
      const char *colon;

      if (*self.p != '"')
        {
          take_byte (&self);
          continue;
        }
      string_end = skip_string (self.p, self.end);
      colon = skip_space (string_end, self.end);
      if (colon < self.end && *colon == ':')
        take_member (&self, string_end, colon);
      else
        take_string (&self, FALSE);
    }
}

/* Copies a node. */
void
_lsobs_call_mask_node (LsobsBuffer *out, JsonNode *node)
{
  g_auto (LsobsBuffer) text = LSOBS_BUFFER_INIT;

  if (_lsobs_json_write_node (&text, node, G_MAXSIZE))
    _lsobs_call_mask_json (out, text.data, text.len);
  else
    _lsobs_buffer_append_str (out, "null");
}
