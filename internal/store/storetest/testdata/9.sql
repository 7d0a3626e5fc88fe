UPDATE devices SET update_error = 'http-status', update_http_status = 404 WHERE id = '00c0de';
