#include "HttpResponse.h"

#include <string.h>

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
}

// RFC 9110, 5.6.2
bool isTokenCharacter(char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || isDigit(c) ||
           (c > ' ' && c < 0x7F && strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

}  // namespace

void HttpResponse::reset() {
    *this = HttpResponse();
}

size_t HttpResponse::head(const char* data, size_t length) {
    size_t taken = 0;
    while (taken < length && progress == State::HEAD) {
        const char c = data[taken++];
        if (++headUsed > MAX_HEAD) {
            fail();
        } else if (c == '\n') {
            returned = false;
            endOfLine();
        } else if (returned || (static_cast<uint8_t>(c) < ' ' && c != '\t' && c != '\r')) {
            fail();  // a CR belongs before an LF; other control characters nowhere
        } else if (c == '\r') {
            returned = true;
        } else {
            if (lineUsed < MAX_LINE) {
                line[lineUsed] = c;
            }
            lineUsed++;
        }
    }
    return taken;
}

size_t HttpResponse::body(size_t length) {
    if (progress != State::BODY) {
        return 0;
    }
    const size_t taken = length < left ? length : left;
    left -= static_cast<uint32_t>(taken);
    if (left == 0) {
        progress = State::DONE;
    }
    return taken;
}

void HttpResponse::endOfLine() {
    if (firstLine) {
        statusLine();
        firstLine = false;
    } else if (lineUsed == 0) {
        endOfHead();
    } else {
        header();
    }
    lineUsed = 0;
}

// "HTTP/1.1 200 OK"; the reason may be missing.
void HttpResponse::statusLine() {
    if (lineUsed < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !isDigit(line[7]) || line[8] != ' ' ||
        line[9] < '1' || line[9] > '5' || !isDigit(line[10]) || !isDigit(line[11]) ||
        (lineUsed > 12 && line[12] != ' ')) {
        return fail();
    }
    code = static_cast<uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
}

void HttpResponse::header() {
    const size_t kept = lineUsed < MAX_LINE ? lineUsed : MAX_LINE;
    size_t name = 0;
    while (name < kept && isTokenCharacter(line[name])) {
        name++;
    }
    // Also refuses folded lines, which begin with a space, and a space before the colon. A
    // name that is longer than what is kept is none that matters.
    if (name == 0 || (name < kept && line[name] != ':') || (name == kept && kept == lineUsed)) {
        return fail();
    }
    if (is("transfer-encoding", name)) {
        return fail();
    }
    if (is("content-length", name)) {
        size_t begin = name + 1;
        size_t end = kept;
        while (begin < end && (line[begin] == ' ' || line[begin] == '\t')) {
            begin++;
        }
        while (end > begin && (line[end - 1] == ' ' || line[end - 1] == '\t')) {
            end--;
        }
        if (lineUsed > MAX_LINE) {
            return fail();
        }
        contentLength(line + begin, end - begin);
    }
}

bool HttpResponse::is(const char* name, size_t nameLength) const {
    if (strlen(name) != nameLength) {
        return false;
    }
    for (size_t i = 0; i < nameLength; i++) {
        if (lower(line[i]) != name[i]) {
            return false;
        }
    }
    return true;
}

void HttpResponse::contentLength(const char* value, size_t valueLength) {
    if (valueLength == 0 || valueLength > 9) {
        return fail();
    }
    uint32_t number = 0;
    for (size_t i = 0; i < valueLength; i++) {
        if (!isDigit(value[i])) {
            return fail();
        }
        number = number * 10 + static_cast<uint32_t>(value[i] - '0');
    }
    if (hasLength && number != size) {
        return fail();
    }
    hasLength = true;
    size = left = number;
}

// Without a length the body would end with the connection, and one that is cut short could
// not be told from a whole one.
void HttpResponse::endOfHead() {
    if (!hasLength) {
        // The status says more than the missing length.
        if (code == 200) {
            return fail();
        }
        size = left = 0;
    }
    progress = left == 0 ? State::DONE : State::BODY;
}
