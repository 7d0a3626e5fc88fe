#include <esper/HttpResponse.h>

#include <vector>

#include "check.h"

using namespace esper;

using State = HttpResponse::State;

namespace {

struct Outcome {
    State state;
    unsigned status;
    std::string body;

    std::string text() const {
        return std::to_string(static_cast<int>(state)) + " " + std::to_string(status) + " " + body;
    }
};

// Reads the text in the given pieces, each in memory of its own, so that reading past one is
// found.
Outcome read(const std::string& text, const std::vector<size_t>& cuts, bool part = false) {
    HttpResponse response;
    response.reset(part);
    std::string body;
    size_t begin = 0;
    for (size_t i = 0; i <= cuts.size(); i++) {
        const size_t end = i < cuts.size() ? cuts[i] : text.size();
        const std::vector<char> piece(text.begin() + static_cast<long>(begin),
                                      text.begin() + static_cast<long>(end));
        begin = end;
        size_t taken = response.head(piece.data(), piece.size());
        CHECK(taken <= piece.size());
        const size_t more = response.body(piece.size() - taken);
        CHECK(more <= piece.size() - taken);
        body.append(piece.data() + taken, more);
    }
    return {response.state(), response.status(), body};
}

Outcome read(const std::string& text) {
    return read(text, {});
}

std::string response(const std::string& headers) {
    return "HTTP/1.1 200 OK\r\n" + headers + "\r\n\r\nhello";
}

bool malformed(const std::string& text) {
    return read(text).state == State::MALFORMED;
}

}  // namespace

TEST(a_response_with_a_length_is_read) {
    const Outcome outcome = read(response("Content-Length: 5"));
    CHECK_EQUAL(outcome.status, 200u);
    CHECK_EQUAL(outcome.body, "hello");
    CHECK(outcome.state == State::DONE);
}

TEST(header_names_are_read_in_any_case_and_values_with_any_space) {
    for (const char* header :
         {"content-length:5", "CONTENT-LENGTH: \t5 \t", "Content-Length:    5",
          "X: y\r\nContent-Length: 5\r\nZ:", "Content-Length: 5\r\nContent-Length: 5"}) {
        CHECK_EQUAL(read(response(header)).body, "hello");
    }
}

TEST(lines_may_end_with_a_bare_line_feed) {
    CHECK_EQUAL(read("HTTP/1.0 200 OK\nContent-Length: 5\n\nhello").body, "hello");
}

TEST(a_reason_may_be_missing) {
    CHECK_EQUAL(read("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello").body, "hello");
    CHECK_EQUAL(read("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello").body, "hello");
}

TEST(what_follows_the_body_is_left) {
    CHECK_EQUAL(read(response("Content-Length: 4")).body, "hell");
}

TEST(an_empty_body_is_done_with_the_head) {
    CHECK(read(response("Content-Length: 0")).state == State::DONE);
}

TEST(a_short_body_is_not_done) {
    CHECK(read(response("Content-Length: 6")).state == State::BODY);
}

namespace {

// The forms that a body can have (RFC 9112, 6.3), and some that it cannot.
const char* const FORMS[] = {
    "\r\nContent-Length: 5\r\n\r\nhello",
    "\r\nContent-Length: 0\r\n\r\n",
    "\r\n\r\n",
    "\r\nConnection: close\r\n\r\nhello",
    "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n\r\n",
    "\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "\r\nContent-Length: none\r\n\r\nhello",
    "\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello",
    "\r\n no header\r\n\r\n",
};

}  // namespace

TEST(a_status_that_is_not_wanted_is_told_whatever_the_body_looks_like) {
    for (const char* form : FORMS) {
        for (const unsigned status : {204u, 206u, 301u, 304u, 404u, 416u, 500u, 502u, 503u, 599u}) {
            for (const bool part : {false, true}) {
                const Outcome outcome =
                    read("HTTP/1.1 " + std::to_string(status) + " X" + form, {}, part);
                if (part && status == 206) {
                    continue;
                }
                CHECK_EQUAL(outcome.status, status);
                CHECK(outcome.state == State::REFUSED);
                CHECK_EQUAL(outcome.body, "");
            }
        }
    }
}

TEST(interim_responses_are_skipped_whatever_they_say) {
    for (const char* interim :
         {"100 Continue\r\n\r\n", "102 \r\nContent-Length: 7\r\n\r\n", "103\r\n\r\n",
          "103 Early Hints\r\nLink: </a>\r\nTransfer-Encoding: chunked\r\nETag: \"x\"\r\n\r\n"}) {
        for (const int count : {1, 2, 300}) {
            std::string text;
            for (int i = 0; i < count; i++) {
                text += std::string("HTTP/1.1 ") + interim;
            }
            CHECK(read(text).state == State::HEAD);
            CHECK_EQUAL(read(text + response("Content-Length: 5")).body, "hello");
            CHECK_EQUAL(read(text + "HTTP/1.1 502 X\r\n").status, 502u);
        }
    }
    CHECK(malformed("HTTP/1.1 100 Continue\r\n\r\nhello\r\n"));
    CHECK(malformed("HTTP/1.1 100 Continue\r\nX: " + std::string(2048, 'x') + "\r\n\r\n"));
}

// They count as 5xx (RFC 9110, 15).
TEST(numbers_that_are_no_status_are_told) {
    for (const char* code : {"000", "099", "600", "999"}) {
        const Outcome outcome = read(std::string("HTTP/1.1 ") + code + " X\r\n\r\n");
        CHECK(outcome.state == State::REFUSED);
        CHECK_EQUAL(outcome.status, static_cast<unsigned>(std::stoul(code)));
    }
}

TEST(a_status_line_must_be_one) {
    for (const char* line :
         {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2x0 OK", "HTTP/1.1 x00 OK",
          "HTTP/1.1 2000 OK", "HTTP/2.0 200 OK", "HTTP/1.x 200 OK", "http/1.1 200 OK",
          " HTTP/1.1 200 OK", "SSH-2.0-OpenSSH_9.6"}) {
        CHECK(malformed(std::string(line) + "\r\nContent-Length: 5\r\n\r\nhello"));
    }
}

TEST(a_length_is_needed) {
    CHECK(malformed(response("Connection: close")));
}

TEST(a_length_must_be_a_number_below_a_thousand_million) {
    for (const char* value :
         {"", "-1", "+5", "5 5", "0x5", "5,5", "1e3", "1000000000", "99999999999999999999"}) {
        CHECK(malformed(response(std::string("Content-Length: ") + value)));
    }
    CHECK(!malformed(response("Content-Length: 999999999")));
}

TEST(two_lengths_that_differ_are_malformed) {
    CHECK(malformed(response("Content-Length: 5\r\nContent-Length: 6")));
}

TEST(a_transfer_coding_is_malformed) {
    CHECK(malformed(response("Transfer-Encoding: chunked")));
    CHECK(malformed(response("Content-Length: 5\r\ntransfer-encoding: chunked")));
}

TEST(a_header_must_have_a_name_and_a_colon) {
    for (const char* header :
         {"Content-Length: 5\r\nnothing", "Content-Length: 5\r\n: x", "Content-Length : 5",
          "Content-Length: 5\r\n folded", "Content-Length: 5\r\na\"b: c"}) {
        CHECK(malformed(response(header)));
    }
}

TEST(control_characters_are_malformed) {
    CHECK(malformed(response("Content-Length: 5\r\nA: b\rc")));
    CHECK(malformed(response(std::string("Content-Length: 5\r\nA: b\0c", 25))));
    CHECK(malformed(response("Content-Length: 5\r\nA: \x01")));
}

TEST(long_headers_that_do_not_matter_are_read_over) {
    const std::string text =
        response("Set-Cookie: " + std::string(1500, 'x') + "\r\nContent-Length: 5");
    CHECK_EQUAL(read(text).body, "hello");
    CHECK_EQUAL(read(response(std::string(100, 'n') + ": v\r\nContent-Length: 5")).body, "hello");
}

TEST(a_length_that_is_cut_off_is_malformed) {
    CHECK(malformed(response("Content-Length:" + std::string(90, ' ') + "5")));
}

TEST(a_head_has_at_most_2048_bytes) {
    const size_t rest = response("A: \r\nContent-Length: 5").size() - 5;
    CHECK(!malformed(response("A: " + std::string(2048 - rest, 'x') + "\r\nContent-Length: 5")));
    CHECK(malformed(response("A: " + std::string(2049 - rest, 'x') + "\r\nContent-Length: 5")));
    CHECK(malformed(std::string(5000, 'x')));
}

TEST(pieces_of_any_size_give_the_same_response) {
    for (const std::string& text :
         {response("Server: x\r\nContent-Length: 5"), response("Transfer-Encoding: chunked"),
          std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")}) {
        const std::string whole = read(text).text();
        for (size_t a = 0; a <= text.size(); a++) {
            for (size_t b = a; b <= text.size(); b++) {
                CHECK_EQUAL(read(text, {a, b}).text(), whole);
            }
        }
        std::vector<size_t> everywhere;
        for (size_t i = 0; i < text.size(); i++) {
            everywhere.push_back(i);
        }
        CHECK_EQUAL(read(text, everywhere).text(), whole);
    }
}

namespace {

HttpResponse headOf(const std::string& headers, const char* status = "206 Partial Content") {
    HttpResponse response;
    response.reset(true);
    const std::string text = std::string("HTTP/1.1 ") + status + "\r\n" + headers + "\r\n\r\n";
    response.head(text.data(), text.size());
    return response;
}

bool rangeIsRead(const std::string& value, const char* length = "5") {
    return headOf("Content-Length: " + std::string(length) + "\r\nContent-Range: " + value)
               .state() == State::BODY;
}

std::string tagOf(const std::string& headers) {
    return headOf("Content-Length: 5\r\n" + headers, "200 OK").etag();
}

}  // namespace

TEST(a_part_says_where_it_begins_and_what_the_whole_is) {
    const HttpResponse part =
        headOf("content-range: bytes 100-104/300\r\nContent-Length: 5\r\nETag: \"a\"");
    CHECK(part.state() == State::BODY);
    CHECK_EQUAL(part.from(), 100u);
    CHECK_EQUAL(part.length(), 5u);
    CHECK_EQUAL(part.total(), 300u);
    const HttpResponse whole = headOf("Content-Length: 5\r\nContent-Range: nonsense", "200 OK");
    CHECK(whole.state() == State::BODY);
    CHECK_EQUAL(whole.from(), 0u);
    CHECK_EQUAL(whole.total(), 5u);
}

TEST(a_part_must_say_what_it_is) {
    CHECK(rangeIsRead("bytes 0-4/5"));
    CHECK(rangeIsRead("bytes 7-11/999999999"));
    for (const char* value : {"",
                              "bytes",
                              "bytes ",
                              "bytes 0-4",
                              "bytes 0-4/",
                              "bytes 0-4/*",
                              "bytes */5",
                              "bytes 0-3/5",
                              "bytes 0-5/6",
                              "bytes 5-4/6",
                              "bytes 1-5/5",
                              "bytes -4/5",
                              "bytes 0-/5",
                              "items 0-4/5",
                              "Bytes 0-4/5",
                              "bytes=0-4/5",
                              "bytes  0-4/5",
                              "bytes 0-4/5 x",
                              "bytes 0 -4/5",
                              "bytes +0-4/5",
                              "bytes 0-4/1000000000",
                              "bytes 4294967296-4294967300/4294967301"}) {
        CHECK(!rangeIsRead(value));
    }
    CHECK(!rangeIsRead("bytes 0-4/5\r\nContent-Range: bytes 0-4/5"));
    CHECK(!rangeIsRead("bytes 0-4/5" + std::string(90, ' ')));
    CHECK(!rangeIsRead("bytes 0-4/5", "4"));
    CHECK(headOf("Content-Length: 5").state() == State::MALFORMED);
    CHECK(headOf("Content-Range: bytes 0-4/5").state() == State::MALFORMED);
}

TEST(a_range_that_cannot_be_satisfied_is_told) {
    const HttpResponse refused = headOf("Content-Range: bytes */300", "416 Range Not Satisfiable");
    CHECK(refused.state() == State::REFUSED);
    CHECK_EQUAL(refused.status(), 416u);
}

TEST(a_strong_etag_is_kept_with_its_quotes) {
    const std::string hash(64, 'f');
    CHECK_EQUAL(tagOf("ETag: \"" + hash + "\""), "\"" + hash + "\"");
    CHECK_EQUAL(tagOf("etag:\"5f-1a\" "), "\"5f-1a\"");
    for (const std::string& value :
         {std::string("W/\"a\""), std::string("a"), std::string("\""), std::string("\"a\"b\""),
          std::string("\"a b\""), std::string("\"\xC3\xBC\""), "\"" + std::string(71, 'x') + "\"",
          "\"" + std::string(200, 'x') + "\"", std::string("")}) {
        CHECK_EQUAL(tagOf("ETag: " + value), "");
    }
    CHECK_EQUAL(tagOf("Server: x"), "");
}

TEST(mutated_responses_are_read_or_refused) {
    Random random(1);
    unsigned refused = 0;
    for (int i = 0; i < 50000; i++) {
        std::string text = response("Date: today\r\nContent-Length: 5\r\nServer: nginx");
        random.mutate(text);
        const size_t cut = random.below(static_cast<uint32_t>(text.size()) + 1);
        const Outcome outcome = read(text, {cut});
        CHECK_EQUAL(outcome.text(), read(text).text());
        refused += outcome.state == State::MALFORMED;
    }
    CHECK(refused > 1000);
    CHECK(refused < 49000);
}
