/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lsobs/lsobs-json-string-private.h"
#include "lsobs/lsobs-profile-private.h"
#include "lsobs/lsobs-secret-private.h"

/* What is larger is no file of settings. */
#define MAX_FILE_BYTES (1024 * 1024)

/* In the worst case a byte becomes six when JSON is written anew. */
#define MAX_GROWTH 6

/* The file holds keys. json-glib would leave copies of them behind, so that the few
 * members that count are looked up by hand. Buffers are made large enough at once:
 * one that grows leaves copies behind, too. */

static void
wipe (LsobsBuffer *buffer)
{
  if (buffer->data != NULL)
    explicit_bzero (buffer->data, buffer->allocated);
  _lsobs_buffer_clear (buffer);
}

/* FALSE if it is more than was announced: somebody is writing to it. */
static gboolean
read_all (int          fd,
          gsize        size,
          LsobsBuffer *text)
{
  char *room = _lsobs_buffer_reserve (text, size + 1);
  gssize n;

  do
    {
      n = read (fd, room + text->len, size + 1 - text->len);
      if (n > 0)
        text->len += (gsize) n;
    }
  while ((n > 0 && text->len <= size) || (n < 0 && errno == EINTR));
  return n == 0;
}

/* A pipe would keep us waiting, and a device might have no end. */
static gboolean
read_file (const char  *path,
           LsobsBuffer *text)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat info;
  gboolean done;

  if (fd < 0)
    return FALSE;
  done = fstat (fd, &info) == 0 && S_ISREG (info.st_mode) && info.st_size <= MAX_FILE_BYTES &&
         read_all (fd, (gsize) info.st_size, text);
  close (fd);
  return done;
}

/* Makes sure that @text is JSON, and writes it to @json without white space. */
static gboolean
tidy (const LsobsBuffer *text,
      LsobsBuffer       *json)
{
  const LsobsJsonWalkOptions options = { NULL, 0, FALSE };

  _lsobs_buffer_reserve (json, MAX_GROWTH * text->len + sizeof "\"\"");
  if (!_lsobs_json_walk (json, text->data, text->len, &options))
    return FALSE;
  _lsobs_buffer_append_c (json, '\0');
  return TRUE;
}

/* JSON text that is known to be right. */
typedef struct
{
  LsobsBuffer text;         /* (owned) ends with a NUL */
  LsobsJsonScratch scratch; /* (owned) */
} Document;

static const char *
get_end (Document *self)
{
  return self->text.data + self->text.len - 1;
}

/* @at: an opening quote. Returns what follows the string. */
static const char *
skip_string (Document   *self,
             const char *at)
{
  LsobsJsonStringKind kind;

  return _lsobs_json_string_scan (at + 1, get_end (self), &kind);
}

static const char *
skip_value (Document   *self,
            const char *at)
{
  guint depth = 0;

  do
    {
      if (*at == '"')
        {
          at = skip_string (self, at);
          continue;
        }
      if (*at == '{' || *at == '[')
        depth++;
      else if (*at == '}' || *at == ']')
        depth--;
      at++;
    }
  while (depth > 0 || strchr (",}]", *at) == NULL);
  return at;
}

/* Returns: (nullable): the @len bytes of text of the string at @at, valid until the
 * next call; %NULL if it is no string */
static const char *
decode (Document   *self,
        const char *at,
        gsize      *len)
{
  LsobsJsonStringKind kind;
  const char *after;

  if (at == NULL || *at != '"')
    return NULL;
  after = _lsobs_json_string_scan (at + 1, get_end (self), &kind);
  *len = (gsize) (after - at) - 2;
  return _lsobs_json_string_decode (at + 1, len, kind, &self->scratch);
}

/* Of several members of this name the last one counts, as it does elsewhere.
 * @object: (nullable): a value of any type
 * Returns: (nullable): the value */
static const char *
find (Document   *self,
      const char *object,
      const char *name)
{
  const char *found = NULL;
  const char *at;

  if (object == NULL || *object != '{')
    return NULL;
  for (at = object + 1; *at == '"'; at += *at == ',')
    {
      gsize len;
      const char *key = decode (self, at, &len);
      gboolean same = len == strlen (name) && memcmp (key, name, len) == 0;

      at = skip_string (self, at) + 1;
      if (same)
        found = at;
      at = skip_value (self, at);
    }
  return found;
}

/* Returns: (transfer full) (nullable): %NULL if there is no such member, or nothing
 * but white space in it */
static char *
dup_text (Document   *self,
          const char *object,
          const char *name)
{
  gsize len = 0;
  const char *text = decode (self, find (self, object, name), &len);
  gboolean empty = TRUE;

  for (gsize i = 0; i < len && empty; i++)
    empty = g_ascii_isspace (text[i]);
  return empty ? NULL : g_strndup (text, len);
}

/* Returns: (nullable): the profile, of any type */
static const char *
find_profile (Document   *self,
              const char *name)
{
  g_autofree char *current = NULL;
  const char *profiles = find (self, self->text.data, "profiles");

  if (name == NULL)
    name = current = dup_text (self, self->text.data, "current_profile");
  return find (self, profiles, name != NULL ? name : "default");
}

/* What cannot be read is not there: most programs run where nobody has profiles.
 * @path: (nullable): %NULL for the file in the home directory
 * @name: (nullable): %NULL for the one that the file calls the current one
 * Returns: (transfer full) (nullable) */
LsobsProfile *
_lsobs_profile_load (const char *path,
                     const char *name)
{
  g_autofree char *home_path = NULL;
  LsobsBuffer raw = LSOBS_BUFFER_INIT;
  Document document = { LSOBS_BUFFER_INIT, LSOBS_JSON_SCRATCH_INIT };
  LsobsProfile *self = NULL;
  const char *profile = NULL;
  const char *missing = NULL;

  if (path == NULL)
    path = home_path = g_build_filename (g_get_home_dir (), ".langsmith", "config.json", NULL);
  if (!read_file (path, &raw))
    missing = "no readable file of a fitting size";
  else if (!tidy (&raw, &document.text))
    missing = "not JSON";
  else
    {
      _lsobs_buffer_reserve (&document.scratch.decoded, 2 * document.text.len);
      profile = find_profile (&document, name);
      if (profile == NULL || *profile != '{')
        missing = "no such profile";
    }

  if (missing == NULL)
    {
      self = g_new0 (LsobsProfile, 1);
      self->path = g_strdup (path);
      self->api_url = dup_text (&document, profile, "api_url");
      self->api_key = dup_text (&document, profile, "api_key");
      self->workspace_id = dup_text (&document, profile, "workspace_id");
    }
  else
    {
      g_debug ("No profile from the file of settings: %s", missing);
    }
  wipe (&raw);
  wipe (&document.text);
  wipe (&document.scratch.decoded);
  _lsobs_json_scratch_clear (&document.scratch);
  return self;
}

void
_lsobs_profile_free (LsobsProfile *self)
{
  g_free (self->path);
  g_free (self->api_url);
  _lsobs_secret_free (self->api_key);
  g_free (self->workspace_id);
  g_free (self);
}
