/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/text/lsobs-secret-name-private.h"
#include "tests/lib/cost-helpers.h"

static const char *const secret_names[] = {
  "thecompanywidedatabaseadministratorpassword",
  "password_a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q",
  "apiKeyOfTheOneAndOnlyServerThatIsUsedForAllOfTheTestsInTheWholeHouse",
  "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_access_token",
  "api_key",
  "apiKey",
  "APIKey",
  "api-key",
  "x-api-key",
  "X-API-Key",
  "apikey",
  "OPENAI_API_KEY",
  "openaiApiKey",
  "openai_api_key_file",
  "key",
  "Key",
  "keys",
  "Authorization",
  "proxy-authorization",
  "auth",
  "oauth",
  "access_token",
  "accessToken",
  "token",
  "Token",
  "session-token",
  "refresh_token",
  "id_token",
  "hf_token",
  "bearer",
  "password",
  "db.password",
  "passwd",
  "client_secret",
  "clientSecret",
  "secrets",
  "aws_secret_access_key",
  "aws_access_key_id",
  "Ocp-Apim-Subscription-Key",
  "credentials",
  "Cookie",
  "set-cookie",
  "private_key_id",
  "jwt",
  "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_api_key",
  "mysecretvalue",
  "pass\xe2\x80\x8bword",
  "\xef\xbb\xbfpassword",
  "api\xe2\x80\x90key",
  "api\xc2\xa0key",
  "p\xc2\xad"
  "asswd",
};

static const char *const other_names[] = {
  "",
  "-",
  "max_tokens",
  "maxTokens",
  "max_completion_tokens",
  "tokens",
  "tokenizer",
  "stop_token",
  "eos_token",
  "pad_token_id",
  "temperature",
  "top_k",
  "keyword",
  "token_of_a_word",
  "keywords",
  "monkey",
  "keyboard",
  "author",
  "authority",
  "stream",
  "n",
  "seed",
  "response_format",
  "key_value_store",
  "model",
  "\xff\xfe",
  "\xc3\xa4",
  "passenger",
  "prompt_tokens",
  "logprobs",
  "max\xe2\x80\x8btokens",
  "mon\xe2\x80\x8bkey",
  "key\xc2\xad"
  "board",
};

static void
test_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (secret_names); i++)
    {
      g_test_message ("%s", secret_names[i]);
      g_assert_true (_lsobs_secret_name_is (secret_names[i]));
    }
  for (guint i = 0; i < G_N_ELEMENTS (other_names); i++)
    {
      g_test_message ("not %s", other_names[i]);
      g_assert_false (_lsobs_secret_name_is (other_names[i]));
    }
}

static void
test_long (void)
{
  g_autofree char *name = g_strnfill (1000000, 'a');

  g_assert_false (_lsobs_secret_name_is (name));
  for (guint i = 1; i < 1000000; i += 2)
    name[i] = '_';
  g_assert_false (_lsobs_secret_name_is (name));
}

static gint64
measure (gpointer data, guint n)
{
  g_autoptr (GString) name = g_string_new (NULL);
  gint64 start;

  for (guint i = 0; i < n; i++)
    g_string_append (name, data);
  start = cost_now ();
  g_assert_false (_lsobs_secret_name_is (name->str));
  return cost_now () - start;
}

static void
test_linear (gconstpointer data)
{
  cost_assert_linear (measure, (gpointer) data, 250000);
}

static void
test_values (void)
{
  g_assert_true (_lsobs_secret_name_introduces ("Bearer abc"));
  g_assert_true (_lsobs_secret_name_introduces ("basic abc"));
  g_assert_false (_lsobs_secret_name_introduces ("Bear with me"));
  g_assert_false (_lsobs_secret_name_introduces (""));
  g_assert_false (_lsobs_secret_name_introduces (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_summary ("Which names are those of secrets.");

  g_test_add_func ("/secret-name/names", test_names);
  g_test_add_func ("/secret-name/long", test_long);
  g_test_add_data_func ("/secret-name/linear/word", "pass", test_linear);
  g_test_add_data_func ("/secret-name/linear/words", "key_value_", test_linear);
  g_test_add_func ("/secret-name/values", test_values);
  return g_test_run ();
}
