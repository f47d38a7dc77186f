/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a drain meets in a spool: names, a ledger beside files, bodies that are sent in parts, and owners.
 * The first byte chooses which. */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <libsoup/soup.h>

#include "fuzz/fuzz.h"
#include "lsobs/core/lsobs-clock-private.h"
#include "lsobs/lsobs.h"
#include "lsobs/spool/lsobs-spool-folder-private.h"
#include "lsobs/spool/lsobs-spool-owner-private.h"
#include "lsobs/text/lsobs-json-document-private.h"
#include "lsobs/transport/lsobs-body-reader-private.h"

#define TAG "0a1b2c3d"

/* The year 9999, and a time that no clock of the fuzzer exceeds, in s. */
#define MAX_SECONDS  G_GINT64_CONSTANT (253370764800)
#define MAX_WALL     G_GINT64_CONSTANT (8000000000)
#define MAX_BOOT     100000000
#define MAX_N_FILES  20
#define MAX_NAME_LEN 200

/* --- names --- */

static void
check_names (FuzzInput *input)
{
  g_autofree char *a = fuzz_input_take_line (input);
  g_autofree char *b = fuzz_input_take_line (input);
  gint64 a_time;
  gint64 b_time;
  guint n_records;

  if (!_lsobs_failed_trace_parse_name (a, NULL, &a_time, &n_records))
    return;
  g_assert_true (_lsobs_failed_trace_is_name (a));
  g_assert_null (strchr (a, '/'));
  g_assert_cmpint (a_time, >=, 0);
  g_assert_cmpint (n_records, <=, G_MAXINT32);
  if (!_lsobs_failed_trace_parse_name (b, NULL, &b_time, &n_records))
    return;
  if (a_time != b_time)
    g_assert_true ((_lsobs_failed_trace_compare_names (a, b) < 0) == (a_time < b_time));
  g_assert_true ((_lsobs_failed_trace_compare_names (a, b) < 0) ==
                 (_lsobs_failed_trace_compare_names (b, a) > 0));
}

/* --- the folder --- */

static gint64 wall_time;
static gint64 boot_time;

static gint64
get_wall_time (void)
{
  return wall_time;
}

static gint64
get_boot_time (void)
{
  return boot_time;
}

static char *folder_path; /* (owned) */

static void
empty_dir (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *entry = g_build_filename (path, name, NULL);

      g_unlink (entry);
    }
}

static void
remove_folder (void)
{
  g_autofree char *state = g_build_filename (folder_path, ".lsobs", NULL);

  empty_dir (state);
  g_rmdir (state);
  empty_dir (folder_path);
  g_rmdir (folder_path);
}

/* In memory, if there is a file system for that: the fuzzer waits for no disk. */
static void
make_folder (void)
{
  if (folder_path != NULL)
    {
      remove_folder ();
      g_assert_cmpint (g_mkdir (folder_path, 0700), ==, 0);
      return;
    }
  folder_path = g_strdup ("/dev/shm/lsobs-fuzz-XXXXXX");
  if (g_mkdtemp (folder_path) == NULL)
    {
      g_free (folder_path);
      folder_path = g_dir_make_tmp ("lsobs-fuzz-XXXXXX", NULL);
    }
  g_assert_nonnull (folder_path);
  atexit (remove_folder);
}

static void
write_file (const char *name, const char *text, gsize len)
{
  g_autofree char *path = g_build_filename (folder_path, name, NULL);
  int fd = g_open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  if (fd < 0)
    return;
  g_assert_cmpint (write (fd, text, len), ==, (gssize) len);
  close (fd);
}

/* The ledger, and empty files. */
static void
write_files (FuzzInput *input)
{
  g_autofree char *state = g_build_filename (folder_path, ".lsobs", NULL);
  gsize size = fuzz_input_take_byte (input);
  gsize len = MIN (size, input->len);
  g_autofree char *ledger = fuzz_input_take_text (input, len);

  g_assert_cmpint (g_mkdir (state, 0700), ==, 0);
  write_file (".lsobs/ledger", ledger, len);
  for (guint i = 0; i < MAX_N_FILES && input->len > 0; i++)
    {
      g_autofree char *name = fuzz_input_take_line (input);

      if (*name != '\0' && *name != '.' && strchr (name, '/') == NULL &&
          strlen (name) <= MAX_NAME_LEN)
        write_file (name, "", 0);
    }
}

/* Returns: (transfer full): the name of the only file that is not empty */
static char *
find_added (GPtrArray *names)
{
  char *found = NULL;

  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      g_autofree char *path = g_build_filename (folder_path, name, NULL);
      GStatBuf info;

      if (g_stat (path, &info) != 0 || info.st_size == 0)
        continue;
      g_assert_null (found);
      found = g_strdup (name);
    }
  g_assert_nonnull (found);
  return found;
}

static void
check_ledger (guint n_files)
{
  g_autofree char *path = g_build_filename (folder_path, ".lsobs", "ledger", NULL);
  g_autofree char *text = NULL;
  LsobsSpoolLedger ledger;
  gsize len;

  g_assert_true (g_file_get_contents (path, &text, &len, NULL));
  g_assert_cmpuint (len, >=, sizeof ledger);
  memcpy (&ledger, text, sizeof ledger);
  g_assert_cmpuint (ledger.n_files, ==, n_files);
  g_assert_cmpuint (ledger.busy, ==, 0);
  g_assert_cmpint (ledger.seen_at, ==, wall_time);
  g_assert_cmpint (ledger.trusted_from, <=, wall_time);
}

/* Whatever is there, a file is added behind the others, counted, and removed. */
static void
check_folder (FuzzInput *input)
{
  const LsobsSpoolLimits limits = {
    .max_bytes = G_MAXINT64,
    .max_files = G_MAXINT32,
    .max_age = (fuzz_input_take_byte (input) + 1) * G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC,
    .is_private = TRUE,
  };
  g_autoptr (GBytes) body = g_bytes_new_static ("{}", 2);
  g_autoptr (LsobsFailedTrace) trace =
      _lsobs_failed_trace_new ("runs/batch", "application/json", NULL, body);
  g_autoptr (LsobsSpoolFolder) folder = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *added = NULL;

  wall_time = (gint64) (fuzz_input_take_uint64 (input) % (MAX_WALL * G_USEC_PER_SEC));
  boot_time = (gint64) (fuzz_input_take_uint64 (input) % (MAX_BOOT * (guint64) G_USEC_PER_SEC));
  _lsobs_clock_source = (LsobsClockSource){ get_wall_time, get_boot_time };
  make_folder ();
  write_files (input);
  folder = _lsobs_spool_folder_new (folder_path, &limits);
  g_assert_cmpint (_lsobs_spool_folder_add (folder, trace, TAG LSOBS_NO_MARK, 3), ==, 0);
  g_assert_cmpint (_lsobs_spool_folder_list (folder, NULL, NULL, all), ==, 0);
  check_ledger (all->len);
  g_assert_cmpint (_lsobs_spool_folder_list (folder, TAG, NULL, names), ==, 0);
  added = find_added (names);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = g_ptr_array_index (names, i);
      gint64 time;
      guint n_records;

      if (i > 0)
        g_assert_cmpint (_lsobs_failed_trace_compare_names (names->pdata[i - 1], name), <, 0);
      g_assert_true (_lsobs_failed_trace_parse_name (name, TAG, &time, &n_records));
      if (time / G_USEC_PER_SEC < MAX_SECONDS && strcmp (name, added) != 0)
        g_assert_cmpint (_lsobs_failed_trace_compare_names (name, added), <, 0);
    }
  g_assert_cmpint (_lsobs_spool_folder_remove (folder, added), ==, 0);
  check_ledger (all->len - 1);
}

/* --- bodies --- */

static const char *const endpoints[] = { "runs/multipart", "runs/batch", "runs", "feedback" };

static const char *
get_type (guint endpoint)
{
  return endpoint == 0 ? "multipart/form-data; boundary=edge" : "application/json";
}

/* A single run as an update: an object with an end, and without an id. */
static void
check_single (GBytes *update, const char *id)
{
  g_auto (LsobsJsonDocument) document = LSOBS_JSON_DOCUMENT_INIT;
  LsobsId parsed;
  gsize len;
  const char *text = g_bytes_get_data (update, &len);

  g_assert_true (_lsobs_id_parse_text (&parsed, id));
  g_assert_true (_lsobs_json_document_load (&document, text, len));
  g_assert_cmpint (*document.text.data, ==, '{');
  g_assert_null (_lsobs_json_document_find (&document, document.text.data, "id"));
  g_assert_nonnull (_lsobs_json_document_find (&document, document.text.data, "end_time"));
}

#define DELIMITER "\r\n--edge"

/* @start: after a delimiter
 * Returns: (transfer full) (nullable): the name of the part, as libsoup reads its headers */
static char *
read_name (const char *start, const char *end)
{
  static const char field[] = "Content-Disposition:";
  const char *headers_end = memmem (start, (gsize) (end - start), "\r\n\r\n", 4);
  g_autofree char *headers = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_nonnull (headers_end);
  headers = g_strndup (start, (gsize) (headers_end - start));
  lines = g_strsplit (headers, "\r\n", 0);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_ascii_strncasecmp (lines[i], field, strlen (field)) == 0)
      {
        GHashTable *values = soup_header_parse_semi_param_list (lines[i] + strlen (field));
        char *name = g_strdup (g_hash_table_lookup (values, "name"));

        soup_header_free_param_list (values);
        return name;
      }
  return NULL;
}

/* Returns: (transfer full) (element-type utf8): the names of the parts of a multipart body */
static GPtrArray *
read_names (GBytes *body)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  gsize len;
  const char *text = g_bytes_get_data (body, &len);
  g_autoptr (GString) all = g_string_new ("\r\n");
  const char *end;
  const char *at;

  g_string_append_len (all, text, (gssize) len);
  end = all->str + all->len;
  at = memmem (all->str, all->len, DELIMITER, strlen (DELIMITER));
  while (at != NULL)
    {
      const char *start = at + strlen (DELIMITER);
      char *name;

      at = memmem (start, (gsize) (end - start), DELIMITER, strlen (DELIMITER));
      if (at == NULL)
        break;
      name = read_name (start, at);
      g_assert_nonnull (name);
      g_ptr_array_add (names, name);
    }
  return names;
}

/* All parts are of one operation on one run, or feedback, or attachments of that run; and one of them
 * at most is the operation itself.
 * @body: multipart
 * Returns: how many parts it has */
static guint
check_names_of_part (GBytes *body, gboolean is_update)
{
  g_autoptr (GPtrArray) names = read_names (body);
  g_autofree char *operation = NULL;
  g_autofree char *run = NULL;
  guint n_main = 0;

  g_assert_cmpuint (names->len, >=, 1);
  for (guint i = 0; i < names->len; i++)
    {
      g_auto (GStrv) words = g_strsplit (g_ptr_array_index (names, i), ".", 3);
      guint n_words = g_strv_length (words);
      const char *id = n_words > 1 ? words[1] : "";

      g_assert_cmpstr (id, ==, run != NULL ? run : id);
      if (run == NULL)
        run = g_strdup (id);
      if (n_words > 1 && strcmp (words[0], "attachment") == 0)
        continue;
      if (operation == NULL)
        operation = g_strdup (n_words > 0 ? words[0] : "");
      g_assert_cmpstr (n_words > 0 ? words[0] : "", ==, operation);
      g_assert_false (is_update && n_words > 1 && strcmp (words[0], "post") == 0);
      n_main += n_words < 3 ? 1 : 0;
    }
  g_assert_cmpuint (n_main, <=, 1);
  return names->len;
}

/* Each part is a body with one record, and an update has none that creates a run.
 * Returns: how many pieces of a multipart body it has */
static guint
check_part (LsobsBodyReader *reader, guint endpoint, guint i)
{
  g_autoptr (GBytes) slice = _lsobs_body_reader_slice (reader, i, i + 1);
  g_autoptr (LsobsBodyReader) part =
      _lsobs_body_reader_new (endpoints[endpoint], get_type (endpoint), slice);
  g_autofree char *id = NULL;
  g_autoptr (GBytes) update = _lsobs_body_reader_make_update (reader, i, &id);
  g_autoptr (LsobsBodyReader) updates = NULL;
  g_autoptr (GBytes) again = NULL;
  guint n_pieces = endpoint == 0 ? check_names_of_part (slice, FALSE) : 0;

  g_assert_nonnull (part);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (part), ==, 1);
  g_assert_true ((id != NULL) == (update != NULL && endpoint == 2));
  if (update == NULL)
    return n_pieces;
  if (id != NULL)
    {
      check_single (update, id);
      return n_pieces;
    }
  updates = _lsobs_body_reader_new (endpoints[endpoint], get_type (endpoint), update);
  g_assert_nonnull (updates);
  g_assert_cmpuint (_lsobs_body_reader_get_n_records (updates), ==, 1);
  again = _lsobs_body_reader_make_update (updates, 0, &id);
  g_assert_null (again);
  if (endpoint == 0)
    g_assert_cmpuint (check_names_of_part (update, TRUE), ==, n_pieces);
  return n_pieces;
}

static void
check_body (FuzzInput *input)
{
  guint endpoint = fuzz_input_take_byte (input) % G_N_ELEMENTS (endpoints);
  gsize len = input->len;
  g_autoptr (GBytes) body = g_bytes_new_take (fuzz_input_take_text (input, len), len);
  g_autoptr (LsobsBodyReader) reader =
      _lsobs_body_reader_new (endpoints[endpoint], get_type (endpoint), body);
  g_autoptr (GBytes) whole = NULL;
  guint n_pieces = 0;
  guint n;

  if (reader == NULL)
    return;
  n = _lsobs_body_reader_get_n_records (reader);
  g_assert_cmpuint (n, >=, 1);
  whole = _lsobs_body_reader_slice (reader, 0, n);
  g_assert_true (g_bytes_equal (whole, body));
  for (guint i = 0; i < n; i++)
    n_pieces += check_part (reader, endpoint, i);
  if (endpoint == 0)
    {
      g_autoptr (GPtrArray) names = read_names (body);

      /* none is left out, and none is in two of them */
      g_assert_cmpuint (n_pieces, ==, names->len);
    }
}

/* --- owners --- */

static LsobsSpoolOwner *
get_owner (void)
{
  static LsobsSpoolOwner *owner;
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsSettings) settings = NULL;
  g_autoptr (GError) error = NULL;

  if (owner != NULL)
    return owner;
  config = lsobs_config_new ("lsv2_pt_fuzz", "fuzz");
  lsobs_config_set_workspace_id (config, "11111111-2222-4333-8444-555555555555");
  settings = _lsobs_settings_new (config, LSOBS_SETTINGS_FOR_HTTP, &error);
  g_assert_no_error (error);
  owner = _lsobs_spool_owner_new (settings);
  return owner;
}

/* Whoever differs in a letter or a digit is somebody else. */
static void
check_owner (FuzzInput *input)
{
  g_autofree char *own = _lsobs_spool_owner_dup_text (get_owner ());
  gsize at = fuzz_input_take_uint64 (input) % strlen (own);
  char c = (char) fuzz_input_take_byte (input);
  char before = own[at];
  g_autofree char *other = fuzz_input_take_line (input);

  g_assert_true (_lsobs_spool_owner_matches (get_owner (), own));
  _lsobs_spool_owner_matches (get_owner (), other);
  own[at] = c;
  if (g_ascii_isalnum (before) && g_ascii_isalnum (c) && c != before)
    g_assert_false (_lsobs_spool_owner_matches (get_owner (), own));
  else
    _lsobs_spool_owner_matches (get_owner (), own);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FuzzInput input = { data, size };

  switch (fuzz_input_take_byte (&input) % 4)
    {
    case 0:
      check_names (&input);
      break;
    case 1:
      check_folder (&input);
      break;
    case 2:
      check_body (&input);
      break;
    default:
      check_owner (&input);
      break;
    }
  return 0;
}
