/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a target without a fuzzer: with each file of its corpus, as one test of "make check", or
 * with the files that its arguments name. */

#include "config.h"

#include <stdlib.h>

#include "fuzz/fuzz.h"

/* The name of the program without its folder, which is that of the corpus. libtool puts "lt-"
 * before the name of a program that is not installed. */
static const char *
get_name (const char *program)
{
  const char *slash = strrchr (program, G_DIR_SEPARATOR);
  const char *name = slash != NULL ? slash + 1 : program;

  if (g_str_has_prefix (name, "lt-"))
    name += strlen ("lt-");
  g_assert_true (g_str_has_prefix (name, "fuzz-"));
  return name + strlen ("fuzz-");
}

static void
run_file (const char *path, gsize max_bytes)
{
  g_autofree char *contents = NULL;
  g_autofree guint8 *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize len;

  g_file_get_contents (path, &contents, &len, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (len, <=, max_bytes);
  /* Without the NUL after it, which the target does not get from the fuzzer. */
  data = g_memdup2 (contents, len);
  g_assert_cmpint (LLVMFuzzerTestOneInput (data, len), ==, 0);
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* (transfer full) (element-type utf8): the paths of the files, sorted */
static GPtrArray *
list_corpus (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "fuzz", "corpus", name, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &error);
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  const char *file;

  g_assert_no_error (error);
  while ((file = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (files, g_build_filename (path, file, NULL));
  g_ptr_array_sort (files, compare_paths);
  return files;
}

static void
test_corpus (gconstpointer name)
{
  g_autoptr (GPtrArray) files = list_corpus (name);

  g_assert_cmpuint (files->len, >=, 1);
  for (guint i = 0; i < files->len; i++)
    {
      const char *path = g_ptr_array_index (files, i);

      /* The last one that is named is the one that fails. */
      g_test_message ("%s", path);
      run_file (path, FUZZ_MAX_BYTES);
    }
  g_test_message ("%u files", files->len);
}

int
main (int argc, char *argv[])
{
  const char *name = get_name (argv[0]);
  g_autofree char *test = g_strconcat ("/fuzz/", name, NULL);

  g_test_init (&argc, &argv, NULL);
  if (argc > 1)
    {
      for (int i = 1; i < argc; i++)
        {
          g_print ("# %s\n", argv[i]);
          run_file (argv[i], G_MAXSIZE);
        }
      return EXIT_SUCCESS;
    }
  g_test_add_data_func (test, name, test_corpus);
  return g_test_run ();
}
