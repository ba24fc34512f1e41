"use strict";

const { serve } = require("../../lib/serve");

serve(require("./site"));
